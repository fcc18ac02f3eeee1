use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duramen::{
    Backoff, Control, Error, Log, Message, Position, PublishOptions, ReadOptions, Result, Start, Stop, Token,
};
use s2_sdk::append_session::{AppendSession, AppendSessionConfig, BatchSubmitTicket};
use s2_sdk::error::{AppendError, AppendSessionError};
use s2_sdk::types::{AppendInput, AppendRecord, AppendRecordBatch, FencingToken, MeteredBytes};

use crate::append::SIZE_MAX;
use crate::failure::{Refused, of_append, remote, unconfirmed};
use crate::log::{S2Log, Shared};
use crate::record::{self, Marks, Origin};
use crate::remote::COUNT_MAX;

/// How many batches are under way at once.
const IN_FLIGHT_MAX: usize = 32;

/// How long to wait before what has failed is tried again.
const PAUSE: Backoff = Backoff::new()
    .first(Duration::from_millis(100))
    .max(Duration::from_secs(2));

/// How long a mirror waits for more before it looks again.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Ships a log to a stream of S2: each message once, in order.
///
/// Each record says where its message was. So a mirror that is started again, after whatever
/// happened to it, goes on behind the last record of the stream, and stores nothing itself. What is
/// in the stream is never written twice: each append expects its place.
///
/// A mirror that starts fences off the one before it: that one fails with
/// [`Fenced`](Error::Fenced). It ships what is on stable storage, so that the stream never has a
/// message that the log loses. Control records of the log are not shipped.
///
/// The stream shows the messages as an [`S2Log`] does. [`restore_from_s2`](crate::restore_from_s2)
/// makes a log of it again.
pub struct Mirror {
    source: Arc<dyn Log>,
    target: Arc<Shared>,
    token: FencingToken,
    skips_trimmed: bool,
    progress: MirrorProgress,
    pipe: Option<Pipe>,
}

/// How far a [`Mirror`] is. The counts begin when it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorProgress {
    /// The offset in the log up to which everything is in the stream.
    pub next_offset: u64,
    /// The log's end when it was last looked up.
    pub source_end: u64,
    /// Messages shipped, as far as their arrival was confirmed.
    pub messages: u64,
    /// Their bytes, as S2 counts.
    pub bytes: u64,
    /// Offsets in between that have no message in the log: control records, and messages that were
    /// deleted or compacted before they were shipped.
    pub gaps: u64,
    /// Offsets that were trimmed before they were shipped, and passed over: see
    /// [`Mirror::skip_trimmed`].
    pub trimmed: u64,
    /// How often the connection was begun anew.
    pub reconnects: u64,
}

impl MirrorProgress {
    /// How many offsets of the log are not in the stream yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.source_end.saturating_sub(self.next_offset)
    }
}

/// What is on its way.
struct Pipe {
    session: Arc<AppendSession>,
    /// The sequence number of the next record.
    next_record: u64,
    /// The offset in the log of the next message to send.
    next_offset: u64,
    sent: VecDeque<Sent>,
}

struct Sent {
    ticket: BatchSubmitTicket,
    shipped: Shipped,
}

/// What one batch adds to the progress.
#[derive(Clone, Copy, Debug)]
struct Shipped {
    next_offset: u64,
    messages: u64,
    bytes: u64,
    gaps: u64,
}

/// Where a mirror goes on.
struct Place {
    /// The offset in the log.
    offset: u64,
    /// The sequence number of the next record.
    record: u64,
}

impl Mirror {
    /// Fences off the mirror before this one, if any, and finds where to go on. A stream without
    /// messages begins with the log's first one.
    ///
    /// # Errors
    ///
    /// - [`EpochChanged`](Error::EpochChanged) if the log has gone on in another way than the
    ///   stream: it was restored, or is another one. Take a new stream.
    /// - [`OffsetOutOfRange`](Error::OffsetOutOfRange), which
    ///   [is trimmed](Error::is_trimmed), if messages were trimmed before they were shipped.
    /// - [`Invalid`](Error::Invalid) for a stream that somebody else has written to, or that was
    ///   trimmed up to its end.
    /// - [`Remote`](Error::Remote), [`Unconfirmed`](Error::Unconfirmed): start it again.
    pub fn start(source: Arc<dyn Log>, target: &S2Log) -> Result<Mirror> {
        Mirror::begin(source, target, false)
    }

    /// As [`start`](Mirror::start), and passes over messages of the log that are trimmed before
    /// they are shipped: [`MirrorProgress::trimmed`] counts their offsets.
    ///
    /// # Errors
    ///
    /// As `start`, but for what was trimmed.
    pub fn skip_trimmed(source: Arc<dyn Log>, target: &S2Log) -> Result<Mirror> {
        Mirror::begin(source, target, true)
    }

    fn begin(source: Arc<dyn Log>, target: &S2Log, skips_trimmed: bool) -> Result<Mirror> {
        let token = FencingToken::generate(24).map_err(|_| Error::Invalid("no token"))?;
        let fence = PublishOptions::new().and(Control::Fence(Token::new(&token)?));
        let mut attempt = 0;
        // A fence that is there twice fences as well.
        while let Err(error) = target.append(&[], &fence) {
            attempt += 1;
            if !matches!(error, Error::Unconfirmed { .. }) || attempt >= target.shared.remote.attempts {
                return Err(error);
            }
        }
        let mut mirror = Mirror {
            source,
            target: Arc::clone(&target.shared),
            token,
            skips_trimmed,
            progress: MirrorProgress::default(),
            pipe: None,
        };
        let place = mirror.locate()?;
        mirror.progress.next_offset = place.offset;
        mirror.connect(&place)?;
        Ok(mirror)
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> &MirrorProgress {
        &self.progress
    }

    /// Ships what the log has now on stable storage, and returns when all of it is in the stream.
    /// If an attempt fails it goes on from what the stream has, as often in a row as
    /// [`S2Options::attempts`](crate::S2Options::attempts) says.
    ///
    /// After an error the mirror can be asked again, unless it is `Fenced`.
    ///
    /// # Errors
    ///
    /// As [`start`](Mirror::start), and
    ///
    /// - [`Fenced`](Error::Fenced): another mirror has taken over.
    /// - [`TooLarge`](Error::TooLarge) for a message that S2 does not take, at the offset
    ///   [`MirrorProgress::next_offset`] or behind a gap there.
    /// - what reading the log fails with.
    pub fn ship(&mut self) -> Result<&MirrorProgress> {
        self.ship_while(|_| true)
    }

    /// As [`ship`](Mirror::ship), and calls `goes_on` after each batch. It stops when that returns
    /// `false`; what was sent is in the stream then.
    ///
    /// # Errors
    ///
    /// As `ship`.
    pub fn ship_while(
        &mut self,
        mut goes_on: impl FnMut(&MirrorProgress) -> bool,
    ) -> Result<&MirrorProgress> {
        let end = self.durable_end()?;
        self.progress.source_end = end;
        let mut failures = 0;
        loop {
            let before = self.progress.next_offset;
            let Err(error) = self.attempt(end, &mut goes_on) else {
                return Ok(&self.progress);
            };
            self.pipe = None;
            let moved = self.progress.next_offset > before;
            failures = if moved { 1 } else { failures + 1 };
            let may_pass = matches!(
                error,
                Error::Remote { .. } | Error::Unconfirmed { .. } | Error::OffsetMismatch { .. }
            );
            if !may_pass || failures > self.target.remote.attempts {
                return Err(error);
            }
            std::thread::sleep(PAUSE.delay(failures - 1));
        }
    }

    /// Ships what the log has and what comes, until `goes_on` returns `false`. That is called after
    /// each batch, and twice a second while nothing comes.
    ///
    /// # Errors
    ///
    /// As [`ship`](Mirror::ship).
    pub fn follow(&mut self, mut goes_on: impl FnMut(&MirrorProgress) -> bool) -> Result<&MirrorProgress> {
        let mut is_stopped = false;
        loop {
            let before = self.progress.next_offset;
            self.ship_while(|progress| {
                is_stopped = !goes_on(progress);
                !is_stopped
            })?;
            if is_stopped || !goes_on(&self.progress) {
                return Ok(&self.progress);
            }
            if self.progress.next_offset == before && self.source.next_offset()? > before {
                // What is there is not durable yet.
                std::thread::sleep(LOOK_AFTER / 10);
            } else {
                self.wait()?;
            }
        }
    }

    /// Waits until the log has more, or for a while.
    fn wait(&self) -> Result<()> {
        let Some(changes) = self.source.changes() else {
            std::thread::sleep(LOOK_AFTER / 10);
            return Ok(());
        };
        let deadline = Instant::now().checked_add(LOOK_AFTER);
        let more = changes.wait_until(deadline, || match self.source.next_offset() {
            Ok(next) if next <= self.progress.next_offset => None,
            found => Some(found),
        });
        more.map_or(Ok(()), |found| found.map(drop))
    }

    /// What the log can no longer lose.
    fn durable_end(&self) -> Result<u64> {
        match self.source.sync() {
            Err(Error::ReadOnly) => Ok(self.source.stat()?.synced_offset),
            synced => synced,
        }
    }

    /// Ships up to `end`, or to where something goes wrong.
    fn attempt(&mut self, end: u64, goes_on: &mut impl FnMut(&MirrorProgress) -> bool) -> Result<()> {
        if self.pipe.is_none() {
            let place = self.locate()?;
            self.progress.next_offset = self.progress.next_offset.max(place.offset);
            self.progress.reconnects += 1;
            self.connect(&place)?;
        }
        while let Some(from) = self
            .pipe
            .as_ref()
            .map(|pipe| pipe.next_offset)
            .filter(|from| *from < end)
        {
            self.send_from(from, end)?;
            self.settle(IN_FLIGHT_MAX)?;
            if !goes_on(&self.progress) {
                break;
            }
        }
        self.settle(0)
    }

    /// Where to go on, by what the stream has.
    fn locate(&mut self) -> Result<Place> {
        let remote = self.target.remote.clone();
        let (last, tail, start) = self.target.bridge.run(async move {
            let tail = remote.tail().await?.seq_num;
            let start = crate::reading::start(&remote, 0).await?;
            let at = crate::reading::last(&remote, 0, 1).await?;
            let page = remote.page_at(at, 1).await?;
            Ok((page.records.into_iter().next(), tail, start))
        })?;
        let Some(last) = last.filter(|last| !last.is_command_record()) else {
            if start > 0 {
                return Err(Error::Invalid(
                    "the stream was trimmed up to its end, so it does not say where to go on",
                ));
            }
            return Ok(Place {
                offset: self.source.start_offset()?,
                record: tail,
            });
        };
        let Some(origin) = record::origin(&last) else {
            return Err(Error::Invalid(
                "the stream has messages that no mirror has shipped",
            ));
        };
        let offset = self.resume(origin)?;
        Ok(Place { offset, record: tail })
    }

    /// The offset in the log behind what the stream has, if the log still goes on like that.
    fn resume(&mut self, origin: Origin) -> Result<u64> {
        let mut offset = origin.offset.saturating_add(1);
        if let Some(life) = origin.life {
            self.source.resume(Position { life, offset })?;
        }
        let (start, next) = (self.source.start_offset()?, self.source.next_offset()?);
        if offset > next || (offset < start && !self.skips_trimmed) {
            return Err(Error::OffsetOutOfRange { offset, start, next });
        }
        if offset < start {
            // What was counted before is not counted again.
            self.progress.trimmed += start - offset.max(self.progress.next_offset).min(start);
            offset = start;
        }
        Ok(offset)
    }

    fn connect(&mut self, place: &Place) -> Result<()> {
        let stream = self.target.remote.stream.clone();
        // Its task belongs to the runtime.
        let session = self
            .target
            .bridge
            .run(async move { Ok(stream.append_session(AppendSessionConfig::new())) })?;
        self.pipe = Some(Pipe {
            session: Arc::new(session),
            next_record: place.record,
            next_offset: place.offset,
            sent: VecDeque::new(),
        });
        Ok(())
    }

    /// Sends the next messages from this offset on.
    fn send_from(&mut self, from: u64, end: u64) -> Result<()> {
        let how = ReadOptions::new()
            .max_count(COUNT_MAX)
            .max_bytes(SIZE_MAX)
            .until_offset(end);
        let read = match self.source.read(Start::At(from), &how) {
            Ok(read) => read,
            Err(Error::OffsetOutOfRange { start, .. }) if start > from && self.skips_trimmed => {
                self.settle(0)?;
                self.progress.trimmed += start - from;
                self.move_to(start);
                return Ok(());
            }
            Err(error) => {
                // So that the progress says where it stands.
                self.settle(0)?;
                return Err(error);
            }
        };
        if read.messages.is_empty() && read.stopped == Stop::Bytes {
            self.settle(0)?;
            let message = self.source.get(Start::At(read.next_offset))?;
            return Err(too_large(&message));
        }
        if !read.messages.is_empty() && self.send(&read.messages)? < read.messages.len() {
            // The others are read again: they begin the next batch.
            return Ok(());
        }
        // Behind the last message there may be offsets without one.
        if let Some(pipe) = &mut self.pipe {
            let gaps = read.next_offset.saturating_sub(pipe.next_offset);
            pipe.next_offset = read.next_offset.max(pipe.next_offset);
            match pipe.sent.back_mut() {
                Some(last) => {
                    last.shipped.next_offset = pipe.next_offset;
                    last.shipped.gaps += gaps;
                }
                None => {
                    self.progress.next_offset = pipe.next_offset;
                    self.progress.gaps += gaps;
                }
            }
        }
        Ok(())
    }

    fn move_to(&mut self, offset: u64) {
        self.progress.next_offset = offset;
        if let Some(pipe) = &mut self.pipe {
            pipe.next_offset = offset;
        }
    }

    /// Sends as many of the messages as make a batch, and returns how many that are.
    fn send(&mut self, messages: &[Message]) -> Result<usize> {
        let now = &messages[..fitting(messages)];
        let Some(last) = now.last() else {
            self.settle(0)?;
            return Err(messages.first().map_or(Error::NotFound, too_large));
        };
        let life = self
            .source
            .position_at(last.offset)
            .ok()
            .map(|position| position.life);
        let records = now.iter().map(|message| {
            let origin = Origin {
                offset: message.offset,
                life: life.filter(|_| message.offset == last.offset),
            };
            let marks = Marks {
                nonce: None,
                origin: Some(origin),
            };
            record::of_message(&message.as_new(), marks)
        });
        let refused = |_| Error::Invalid("S2 does not take the messages");
        let records: Vec<AppendRecord> = records.collect::<Result<_, _>>().map_err(refused)?;
        let batch = AppendRecordBatch::try_from_iter(records).map_err(refused)?;
        let Some(pipe) = &mut self.pipe else {
            return Err(Error::Closed);
        };
        let shipped = Shipped {
            next_offset: last.offset + 1,
            messages: now.len() as u64,
            bytes: batch.metered_bytes() as u64,
            gaps: (last.offset + 1 - pipe.next_offset) - now.len() as u64,
        };
        let input = AppendInput::new(batch)
            .with_match_seq_num(pipe.next_record)
            .with_fencing_token(self.token.clone());
        let session = Arc::clone(&pipe.session);
        let ticket = self
            .target
            .bridge
            .run(async move { Ok(session.submit(input).await) })?;
        let ticket = ticket.map_err(|error| self.failure(error))?;
        if let Some(pipe) = &mut self.pipe {
            pipe.next_record += shipped.messages;
            pipe.next_offset = shipped.next_offset;
            pipe.sent.push_back(Sent { ticket, shipped });
        }
        Ok(now.len())
    }

    /// Waits until at most so many batches are under way.
    fn settle(&mut self, left: usize) -> Result<()> {
        while let Some(sent) = self
            .pipe
            .as_mut()
            .and_then(|pipe| (pipe.sent.len() > left).then(|| pipe.sent.pop_front()).flatten())
        {
            let Sent { ticket, shipped } = sent;
            let acked = self.target.bridge.run(async move { Ok(ticket.await) })?;
            acked.map_err(|error| self.failure(error))?;
            self.progress.next_offset = shipped.next_offset;
            self.progress.messages += shipped.messages;
            self.progress.bytes += shipped.bytes;
            self.progress.gaps += shipped.gaps;
        }
        Ok(())
    }

    fn failure(&self, error: AppendSessionError) -> Error {
        let error = match error {
            AppendSessionError::Append(error) => error,
            AppendSessionError::IndefiniteFailure { final_attempt_error } => {
                return self.failure(*final_attempt_error);
            }
            other => return unconfirmed(remote("append", duramen::ErrorKind::Unknown, other)),
        };
        let error = match error {
            AppendError::IndefiniteFailure { final_attempt_error } => *final_attempt_error,
            other => other,
        };
        match of_append(&self.target.remote.name, error) {
            Refused::Error(error) => error,
            Refused::Unknown(error) => unconfirmed(error),
            Refused::Offset(actual) => Error::OffsetMismatch {
                expected: self.pipe.as_ref().map_or(0, |pipe| pipe.next_record),
                actual,
            },
            Refused::Token(actual) => Error::Fenced {
                expected: Box::new(Token::new(&self.token).unwrap_or_default()),
                actual: Box::new(Token::new(&actual).unwrap_or_default()),
            },
        }
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("target", &self.target.remote.name)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// How many of the messages one append holds.
fn fitting(messages: &[Message]) -> usize {
    let mut size = 0;
    let fit = messages.iter().take(COUNT_MAX).take_while(|message| {
        size += record::size(&message.as_new()) + record::ORIGIN_SIZE;
        size <= SIZE_MAX
    });
    fit.count()
}

fn too_large(message: &Message) -> Error {
    Error::TooLarge {
        index: Some(0),
        size: record::size(&message.as_new()) + record::ORIGIN_SIZE,
        limit: SIZE_MAX,
    }
}
