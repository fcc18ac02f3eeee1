//! Reading a stream as a log.
//!
//! The floor is the offset below which nothing is shown: what this handle has trimmed may still be
//! there.

use duramen::{Batch, ControlRecord, Error, Message, Place, Result, Start, Timestamp};
use s2_sdk::types::ReadFrom;

use crate::log::Records;
use crate::record::{self, Content};
use crate::remote::{COUNT_MAX, Page, Remote};

/// The stream's end, with the time of its last record.
pub(crate) async fn tail(remote: &Remote) -> Result<Place> {
    let page = remote.page(ReadFrom::TailOffset(1), COUNT_MAX).await?;
    let next_offset = page.next_offset(0);
    let place = match (page.end, page.records.into_iter().next_back()) {
        (_, Some(last)) => Place {
            offset: next_offset,
            time: time(record::content(last)),
        },
        (Some(end), None) => Place {
            offset: end.seq_num,
            time: record::time(end.timestamp),
        },
        (None, None) => Place::default(),
    };
    Ok(place)
}

fn time(content: Content) -> Timestamp {
    match content {
        Content::Message(message) => message.time,
        Content::Control(record) => record.time,
    }
}

/// The offset of the first record; the end if there is none.
pub(crate) async fn start(remote: &Remote, floor: u64) -> Result<u64> {
    let page = remote.page_at(floor, 1).await?;
    Ok(first_or_end(&page, floor))
}

/// Where the page begins, or, if it has nothing, the stream ends. An end below the floor is not
/// known.
fn first_or_end(page: &Page, floor: u64) -> u64 {
    let end = || page.end.map_or(floor, |end| end.seq_num);
    page.first().unwrap_or_else(end).max(floor)
}

/// The records from the offset on, and fails if there was one at the offset that is gone.
async fn page_in_log(remote: &Remote, floor: u64, at: u64, count: usize) -> Result<Page> {
    let page = if at < floor {
        remote.page_at(floor, 1).await?
    } else {
        remote.page_at(at, count).await?
    };
    let start = first_or_end(&page, floor);
    if at < start {
        let next = remote.tail().await?.seq_num;
        return Err(out_of_range(at, start, next));
    }
    // Nothing in front of it was read: the stream ends there, or in front of it.
    let end = page.end.map_or(u64::MAX, |end| end.seq_num);
    if at > end {
        return Err(out_of_range(at, self::start(remote, floor).await?, end));
    }
    Ok(page)
}

fn out_of_range(offset: u64, start: u64, next: u64) -> Error {
    Error::OffsetOutOfRange { offset, start, next }
}

/// The records of one page from the offset on.
pub(crate) async fn records(remote: &Remote, floor: u64, at: u64, count: usize) -> Result<Records> {
    let page = page_in_log(remote, floor, at, count).await?;
    Ok(split(page, at))
}

fn split(page: Page, at: u64) -> Records {
    let next_offset = page.next_offset(at);
    let (mut messages, mut controls): (Vec<Message>, Vec<ControlRecord>) = (Vec::new(), Vec::new());
    for record in page.records {
        match record::content(record) {
            Content::Message(message) => messages.push(message),
            Content::Control(record) => controls.push(record),
        }
    }
    (messages, controls, next_offset)
}

/// See [`Log::consume`](duramen::Log::consume).
pub(crate) async fn consume(remote: &Remote, floor: u64, from: Start, max_count: usize) -> Result<Batch> {
    let at = begin(remote, floor, from).await?;
    if max_count == 0 || matches!(from, Start::Newest) {
        if let Start::At(offset) = from {
            page_in_log(remote, floor, offset, 1).await?;
        }
        return Ok(nothing(at));
    }
    messages_from(remote, floor, at, max_count).await
}

fn nothing(next_offset: u64) -> Batch {
    Batch {
        messages: Vec::new(),
        next_offset,
    }
}

/// At least one message, unless there is none up to the end.
async fn messages_from(remote: &Remote, floor: u64, at: u64, max_count: usize) -> Result<Batch> {
    let mut reached = at;
    loop {
        let (messages, controls, next_offset) = match records(remote, floor, reached, max_count).await {
            // Trimmed since the records in front of it were read.
            Err(error) if error.is_trimmed() && reached > at => return Ok(nothing(reached)),
            read => read?,
        };
        if let Some(last) = messages.last() {
            let next_offset = last.offset + 1;
            return Ok(Batch {
                messages,
                next_offset,
            });
        }
        if controls.is_empty() {
            return Ok(nothing(next_offset));
        }
        reached = next_offset;
    }
}

/// Where reading begins. `At` is not checked here.
async fn begin(remote: &Remote, floor: u64, from: Start) -> Result<u64> {
    match from {
        Start::At(offset) => Ok(offset),
        Start::Oldest => start(remote, floor).await,
        Start::Newest | Start::Last(0) => Ok(remote.tail().await?.seq_num),
        Start::AtOrOldest(offset) => match page_in_log(remote, floor, offset, 1).await {
            Err(Error::OffsetOutOfRange { start, .. }) if offset < start => Ok(start),
            Err(error) => Err(error),
            Ok(_) => Ok(offset),
        },
        Start::Time(time) => Ok(match by_time(remote, floor, time).await? {
            Ok(message) => message.offset,
            Err(end) => end,
        }),
        Start::Last(count) => last(remote, floor, count).await,
    }
}

/// The offset of the message that has `count` messages from itself to the end; the start offset if
/// there are fewer.
pub(crate) async fn last(remote: &Remote, floor: u64, count: u64) -> Result<u64> {
    let mut end = remote.tail().await?.seq_num;
    let mut needed = count;
    while end - floor.min(end) > needed {
        // All records there may be messages.
        let from = end - needed;
        let (found, first, is_start) = count_messages(remote, from, end).await?;
        if found >= needed {
            return Ok(first.unwrap_or(from));
        }
        if is_start {
            break;
        }
        needed -= found;
        end = from;
    }
    start(remote, floor).await
}

/// How many messages there are from one offset up to another one, the first of them, and whether
/// the log begins there.
async fn count_messages(remote: &Remote, from: u64, end: u64) -> Result<(u64, Option<u64>, bool)> {
    let (mut at, mut found, mut first) = (from, 0, None);
    let mut is_start = false;
    while at < end {
        let count = usize::try_from(end - at).unwrap_or(usize::MAX);
        let page = remote.page_at(at, count).await?;
        is_start |= page.first().is_none_or(|offset| offset > at);
        if page.records.is_empty() {
            break;
        }
        let (messages, _, next_offset) = split(page, at);
        let inside = messages.iter().filter(|message| message.offset < end);
        found += inside.count() as u64;
        first = first.or_else(|| messages.first().map(|message| message.offset));
        at = next_offset;
    }
    Ok((found, first, is_start))
}

/// The first message at or after this time; the stream's end if there is none.
async fn by_time(remote: &Remote, floor: u64, time: Timestamp) -> Result<Result<Message, u64>> {
    let mut page = remote
        .page(ReadFrom::Timestamp(record::millis(time)), COUNT_MAX)
        .await?;
    loop {
        if let Some(end) = page.end {
            return Ok(Err(end.seq_num));
        }
        let (messages, _, next_offset) = split(page, floor);
        let found = messages
            .into_iter()
            .find(|message| message.offset >= floor && message.time >= time);
        if let Some(message) = found {
            return Ok(Ok(message));
        }
        page = remote.page_at(next_offset.max(floor), COUNT_MAX).await?;
    }
}

/// See [`Log::get`](duramen::Log::get).
pub(crate) async fn get(remote: &Remote, floor: u64, at: Start) -> Result<Message> {
    let (offset, is_exact) = match at {
        Start::At(offset) => (offset, true),
        Start::AtOrOldest(offset) => {
            let begin = begin(remote, floor, at).await?;
            (begin, begin == offset)
        }
        Start::Time(time) => {
            let found = by_time(remote, floor, time).await?;
            return found.map_err(|_| Error::NotFound);
        }
        Start::Newest | Start::Last(0) => (begin(remote, floor, Start::Last(1)).await?, false),
        other => (begin(remote, floor, other).await?, false),
    };
    if !is_exact {
        let batch = messages_from(remote, floor, offset, 1).await?;
        return batch.messages.into_iter().next().ok_or(Error::NotFound);
    }
    let page = page_in_log(remote, floor, offset, 1).await?;
    match page.records.into_iter().next().map(record::content) {
        Some(Content::Message(message)) => Ok(message),
        Some(Content::Control(_)) => Err(Error::NotFound),
        None => Err(out_of_range(offset, start(remote, floor).await?, offset)),
    }
}
