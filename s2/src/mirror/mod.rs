//! Shipping a log to a stream.

mod pipe;
mod progress;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duramen::{Backoff, Error, ErrorKind, Log, Position, ReadOptions, Result, Start, Stop};
use s2_sdk::types::FencingToken;

use crate::append::{Append, SIZE_MAX};
use crate::log::{S2Log, Shared};
use crate::reading::{self, Newest};
use crate::record::{self, Origin};
use crate::remote::COUNT_MAX;

use pipe::{IN_FLIGHT_MAX, Pipe, too_large};
pub use progress::MirrorProgress;

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
    /// Whether the progress says where it is.
    has_begun: bool,
    /// Gone after a failure.
    pipe: Option<Pipe>,
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
        // A fork of this process may draw the same letters.
        let drawn = FencingToken::generate(20).map_err(|_| Error::Invalid("no token"))?;
        let token = format!("{}-{:x}", &*drawn, std::process::id());
        let mut mirror = Mirror {
            source,
            target: Arc::clone(&target.shared),
            token: token.parse().map_err(|_| Error::Invalid("no token"))?,
            skips_trimmed,
            progress: MirrorProgress::default(),
            has_begun: false,
            pipe: None,
        };
        let mut attempt = 0;
        let place = loop {
            // First it is found whether this mirror has any business there.
            mirror.progress.trimmed = 0;
            let place = mirror.locate()?;
            match mirror.fence(place.record) {
                Ok(record) => break Place { record, ..place },
                Err(Error::OffsetMismatch { .. } | Error::Unconfirmed { .. })
                    if attempt < mirror.target.remote.attempts =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        mirror.progress.next_offset = place.offset;
        mirror.has_begun = true;
        mirror.pipe = Some(Pipe::connect(&mirror.target, &mirror.token, &place)?);
        Ok(mirror)
    }

    /// Fences others off, if the stream still ends there. Returns where it ends then.
    fn fence(&self, end: u64) -> Result<u64> {
        let (remote, fence) = (self.target.remote.clone(), Append::fence(self.token.clone(), end));
        let ack = self.target.bridge.run(async move { fence.send(&remote).await })?;
        Ok(ack.end.seq_num)
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
    /// - [`OffsetMismatch`](Error::OffsetMismatch): somebody else writes to the stream.
    /// - [`TooLarge`](Error::TooLarge) for a message that S2 does not take, at the offset
    ///   [`MirrorProgress::next_offset`] or behind a gap there.
    /// - what reading the log fails with.
    pub fn ship(&mut self) -> Result<&MirrorProgress> {
        self.ship_while(|_| true)
    }

    /// As [`ship`](Mirror::ship), and calls `goes_on` after each batch, and while it waits for
    /// another attempt. It stops when that returns `false`; what was sent is in the stream then,
    /// unless it was waiting.
    ///
    /// # Errors
    ///
    /// As `ship`.
    pub fn ship_while(
        &mut self,
        mut goes_on: impl FnMut(&MirrorProgress) -> bool,
    ) -> Result<&MirrorProgress> {
        let end = self.durable_end()?;
        self.progress.durable_end = end;
        self.progress.source_end = self.source.next_offset()?.max(end);
        let mut failures = 0;
        loop {
            let before = self.progress.next_offset;
            let Err(error) = self.attempt(end, &mut goes_on) else {
                return Ok(&self.progress);
            };
            let moved = self.progress.next_offset > before;
            failures = if moved { 1 } else { failures + 1 };
            if !may_pass(&error) || failures > self.target.remote.attempts {
                return Err(error);
            }
            if !self.rest(PAUSE.delay(failures - 1), &mut goes_on) {
                return Ok(&self.progress);
            }
        }
    }

    /// Waits so long; whether to go on.
    fn rest(&self, pause: Duration, goes_on: &mut impl FnMut(&MirrorProgress) -> bool) -> bool {
        let until = Instant::now() + pause;
        loop {
            if !goes_on(&self.progress) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK_AFTER / 10));
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
        let mut pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => self.reconnect()?,
        };
        while pipe.next_offset < end {
            self.send_next(&mut pipe, end)?;
            pipe.settle(IN_FLIGHT_MAX, &mut self.progress)?;
            if !goes_on(&self.progress) {
                break;
            }
        }
        pipe.settle(0, &mut self.progress)?;
        self.pipe = Some(pipe);
        Ok(())
    }

    fn reconnect(&mut self) -> Result<Pipe> {
        let place = self.locate()?;
        self.progress.next_offset = place.offset;
        self.progress.reconnects += 1;
        Pipe::connect(&self.target, &self.token, &place)
    }

    /// Where to go on, by what the stream has.
    fn locate(&mut self) -> Result<Place> {
        let remote = self.target.remote.clone();
        let newest = self
            .target
            .bridge
            .run(async move { reading::newest(&remote).await });
        let (newest, record) = newest?;
        let behind = match newest {
            Newest::Never => None,
            Newest::Gone => {
                return Err(Error::Invalid(
                    "the stream was trimmed up to its end, so it does not say where to go on",
                ));
            }
            Newest::Message(last) => {
                let foreign = Error::Invalid("the stream has messages that no mirror has shipped");
                Some(record::origin(&last).ok_or(foreign)?)
            }
        };
        let offset = self.resume(behind)?;
        Ok(Place { offset, record })
    }

    /// The offset in the log behind what the stream has, if the log still goes on like that.
    fn resume(&mut self, behind: Option<Origin>) -> Result<u64> {
        let next = self.source.next_offset()?;
        let start = self.source.start_offset()?;
        let shipped = behind.map(|origin| origin.offset.saturating_add(1));
        // What this mirror has passed is shipped, or has no messages.
        let Some(offset) = shipped.max(self.has_begun.then_some(self.progress.next_offset)) else {
            return Ok(start);
        };
        if let Some((life, offset)) = behind.and_then(|origin| origin.life).zip(shipped) {
            self.source.resume(Position { life, offset })?;
        }
        if offset > next || (offset < start && !self.skips_trimmed) {
            return Err(Error::OffsetOutOfRange { offset, start, next });
        }
        self.progress.trimmed += start.saturating_sub(offset);
        Ok(offset.max(start))
    }

    /// Sends the next messages.
    fn send_next(&mut self, pipe: &mut Pipe, end: u64) -> Result<()> {
        let from = pipe.next_offset;
        let how = ReadOptions::new()
            .max_count(COUNT_MAX)
            .max_bytes(SIZE_MAX)
            .until_offset(end);
        let read = match self.source.read(Start::At(from), &how) {
            Ok(read) => read,
            Err(Error::OffsetOutOfRange { start, .. }) if start > from && self.skips_trimmed => {
                pipe.settle(0, &mut self.progress)?;
                self.progress.trimmed += start - from;
                self.progress.next_offset = start;
                pipe.next_offset = start;
                return Ok(());
            }
            Err(error) => {
                // So that the progress says where it stands.
                pipe.settle(0, &mut self.progress)?;
                return Err(error);
            }
        };
        if read.messages.is_empty() && read.stopped == Stop::Bytes {
            pipe.settle(0, &mut self.progress)?;
            // In front of it there may be offsets without messages.
            let batch = self.source.consume(Start::At(read.next_offset), 1)?;
            return Err(batch.messages.first().map_or(Error::NotFound, too_large));
        }
        if !read.messages.is_empty() {
            let sent = match pipe.send(&read.messages, |offset| self.source.position_at(offset)) {
                Ok(sent) => sent,
                Err(error) => {
                    // What arrived before it counts.
                    pipe.settle(0, &mut self.progress)?;
                    return Err(error);
                }
            };
            if sent < read.messages.len() {
                // The others are read again: they begin the next batch.
                return Ok(());
            }
        }
        pipe.pass_to(read.next_offset, &mut self.progress);
        Ok(())
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

/// Whether another attempt may do better.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Remote { kind, .. } => matches!(kind, ErrorKind::NotWritten | ErrorKind::Unknown),
        Error::Unconfirmed { .. } | Error::OffsetMismatch { .. } => true,
        _ => false,
    }
}
