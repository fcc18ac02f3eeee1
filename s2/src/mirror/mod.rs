//! Shipping a log to a stream.

mod pipe;
mod progress;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duramen::{
    Backoff, Control, Error, Log, Position, PublishOptions, ReadOptions, Result, Start, Stop, Token,
};
use s2_sdk::types::FencingToken;

use crate::append::SIZE_MAX;
use crate::log::{S2Log, Shared};
use crate::reading;
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
        mirror.pipe = Some(Pipe::connect(&mirror.target, &mirror.token, &place)?);
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
        self.progress.next_offset = self.progress.next_offset.max(place.offset);
        self.progress.reconnects += 1;
        Pipe::connect(&self.target, &self.token, &place)
    }

    /// Where to go on, by what the stream has.
    fn locate(&mut self) -> Result<Place> {
        let remote = self.target.remote.clone();
        let (last, tail, start) = self.target.bridge.run(async move {
            let tail = remote.tail().await?.seq_num;
            let start = reading::start(&remote, 0).await?;
            let at = reading::last(&remote, 0, 1).await?;
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
            let message = self.source.get(Start::At(read.next_offset))?;
            return Err(too_large(&message));
        }
        if !read.messages.is_empty() {
            let sent = pipe.send(&read.messages, |offset| self.source.position_at(offset));
            let sent = match sent {
                // As above.
                Err(error @ Error::TooLarge { .. }) => {
                    pipe.settle(0, &mut self.progress)?;
                    return Err(error);
                }
                sent => sent?,
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
