//! Reading a stream as a log.
//!
//! The floor is the offset below which nothing is shown: what this handle has trimmed may still be
//! there.

use duramen::{Batch, ControlRecord, Error, Message, Place, Result, Start, Timestamp};
use s2_sdk::types::{ReadFrom, SequencedRecord};

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
    loop {
        let at = begin(remote, floor, from).await?;
        if max_count == 0 || matches!(from, Start::Newest) {
            if let Start::At(offset) = from {
                page_in_log(remote, floor, offset, 1).await?;
            }
            return Ok(nothing(at));
        }
        match messages_from(remote, floor, at, max_count).await {
            // Trimmed since it was looked up where to begin.
            Err(error) if error.is_trimmed() && !matches!(from, Start::At(_)) => {}
            read => return read,
        }
    }
}

fn nothing(next_offset: u64) -> Batch {
    Batch {
        messages: Vec::new(),
        next_offset,
    }
}

/// At least one message, unless there is none up to the end.
async fn messages_from(remote: &Remote, floor: u64, at: u64, max_count: usize) -> Result<Batch> {
    let (mut reached, mut count) = (at, max_count);
    loop {
        let (mut messages, controls, next_offset) = match records(remote, floor, reached, count).await {
            // Trimmed since the records in front of it were read.
            Err(error) if error.is_trimmed() && reached > at => return Ok(nothing(reached)),
            read => read?,
        };
        messages.truncate(max_count);
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
        // There may be many control records side by side.
        (reached, count) = (next_offset, COUNT_MAX);
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
async fn last(remote: &Remote, floor: u64, count: u64) -> Result<u64> {
    let end = remote.tail().await?.seq_num;
    if end.saturating_sub(floor) > count
        && let Back::At(offset) = back(remote, floor, end, count).await?
    {
        return Ok(offset);
    }
    start(remote, floor).await
}

/// What is found on the way back from the end.
enum Back {
    /// The message that was looked for.
    At(u64),
    /// There are fewer messages, and all records down to the floor are there.
    Fewer,
    /// There are fewer messages above something that was trimmed.
    Trimmed,
}

/// Looks for the message that has `count` messages from itself to `end`.
async fn back(remote: &Remote, floor: u64, end: u64, count: u64) -> Result<Back> {
    let (mut end, mut needed, mut step) = (end, count, STEP_FIRST);
    while end > floor {
        let from = end.saturating_sub(needed.max(step)).max(floor);
        step = (step * 4).min(COUNT_MAX as u64);
        let stretch = stretch(remote, from, end).await?;
        let found = stretch.messages.len() as u64;
        if let Some(surplus) = found.checked_sub(needed) {
            let wanted = stretch
                .messages
                .get(usize::try_from(surplus).unwrap_or(usize::MAX));
            return Ok(wanted.map_or(Back::Fewer, |offset| Back::At(*offset)));
        }
        if !stretch.is_whole {
            return Ok(Back::Trimmed);
        }
        needed -= found;
        end = from;
    }
    Ok(Back::Fewer)
}

/// How many records are looked at first on the way back from the end. There may be many control
/// records side by side, so each time it is more, up to what one request gives.
const STEP_FIRST: u64 = 4;

/// What there is between two offsets.
struct Stretch {
    /// The offsets of the messages.
    messages: Vec<u64>,
    /// Whether nothing was trimmed.
    is_whole: bool,
}

async fn stretch(remote: &Remote, from: u64, end: u64) -> Result<Stretch> {
    let mut found = Stretch {
        messages: Vec::new(),
        is_whole: true,
    };
    let mut at = from;
    while at < end {
        let count = usize::try_from(end - at).unwrap_or(usize::MAX);
        let page = remote.page_at(at, count).await?;
        found.is_whole &= page.first() == Some(at);
        if page.records.is_empty() {
            break;
        }
        at = page.next_offset(at);
        let messages = page.records.iter().filter(|record| !record.is_command_record());
        let offsets = messages
            .map(|record| record.seq_num)
            .filter(|offset| *offset < end);
        found.messages.extend(offsets);
    }
    Ok(found)
}

/// The last message of a stream.
pub(crate) enum Newest {
    Message(Box<SequencedRecord>),
    /// There never was one: all up to the end is there, and has none.
    Never,
    /// It was trimmed.
    Gone,
}

/// The last message, and the end of the stream before it was looked for.
pub(crate) async fn newest(remote: &Remote) -> Result<(Newest, u64)> {
    let tail = remote.tail().await?.seq_num;
    let newest = match back(remote, 0, tail, 1).await? {
        Back::Fewer => Newest::Never,
        Back::Trimmed => Newest::Gone,
        Back::At(offset) => {
            let page = remote.page_at(offset, 1).await?;
            let first = page.records.into_iter().next();
            let record = first.filter(|record| record.seq_num == offset);
            record.map_or(Newest::Gone, |record| Newest::Message(Box::new(record)))
        }
    };
    Ok((newest, tail))
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
        return match messages_from(remote, floor, offset, 1).await {
            // Trimmed since it was looked up where to begin.
            Err(error) if error.is_trimmed() => Box::pin(get(remote, floor, at)).await,
            read => read?.messages.into_iter().next().ok_or(Error::NotFound),
        };
    }
    let page = page_in_log(remote, floor, offset, 1).await?;
    match page.records.into_iter().next().map(record::content) {
        Some(Content::Message(message)) => Ok(message),
        Some(Content::Control(_)) => Err(Error::NotFound),
        None => Err(out_of_range(offset, start(remote, floor).await?, offset)),
    }
}
