use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};

use super::state::State;
use crate::control::{ControlState, Guard, Producers};
use crate::log::{Aging, Horizon, Moment, Reading, Record};
use crate::sys::Process;
use crate::{
    Ack, BackupReport, Batch, Changes, Clock, Deleted, Error, IndexKind, LifeId, Log, MappedFiles, Message,
    NewMessage, Options, Place, Position, PublishOptions, ReadBatch, ReadOptions, Result, Retention,
    RetentionFloor, Start, Stats, Timestamp, Token, Trimmed,
};

/// A [`Log`] without files, for the tests of applications. It has the same semantics as a
/// [`FileLog`](crate::FileLog), and its messages are gone when it is dropped.
///
/// Memory counts as its stable storage: a message is durable as soon as it is published, under any
/// [`Durability`](crate::Durability). A publisher copies its messages before it takes the lock that
/// readers share, so readers wait for it only briefly.
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::new(b"user-7", b"created"), NewMessage::new(b"user-7", b"renamed")])?;
/// assert_eq!(log.get_by_key(b"user-7")?.value.as_deref(), Some(&b"renamed"[..]));
/// # Ok::<(), duramen::Error>(())
/// ```
pub struct MemoryLog {
    pub(super) key_index: bool,
    time_index: bool,
    pub(super) retention: Retention,
    pub(super) floor: RetentionFloor,
    pub(super) clock: Arc<dyn Clock>,
    /// The process that the log is of.
    process: Process,
    pub(super) aging: Mutex<Aging>,
    /// When to look next whether the limits are exceeded.
    pub(super) next_look: Mutex<Instant>,
    /// The retention policy is applied after this many bytes were published.
    pub(super) rollover: u64,
    /// `None` if the log is closed.
    state: RwLock<Option<State>>,
    changes: Changes,
    life: LifeId,
}

impl MemoryLog {
    /// The bytes that [`size`](Log::size) adds to those of key, value and headers: 64.
    ///
    /// A message and its index entries take about this much memory. The figure is fixed, so that
    /// tests that depend on it give the same results on every platform.
    pub const MESSAGE_OVERHEAD: u64 = 64;

    /// An empty log with a key index and a time index.
    #[must_use]
    pub fn new() -> MemoryLog {
        MemoryLog::with_options(&Options::new().key_index(true).time_index(true))
    }

    /// An empty log with the indexes, the [`Retention`], the [`Clock`], the rollover size, the
    /// [`TimestampPolicy`](crate::TimestampPolicy) and the [need for a
    /// token](Options::require_token) of `options`. The other options concern files and have no
    /// effect here. An index that is not named is off, as in a new log.
    ///
    /// The log applies its retention policy each time it has published as many bytes as
    /// [`rollover`](Options::rollover) says, and by time; having no thread, it does so when it is
    /// next used. The size of a message is its [`size`](Log::size).
    #[must_use]
    pub fn with_options(options: &Options) -> MemoryLog {
        let clock = Arc::clone(&options.environment.clock);
        let now = Moment::of(&*clock);
        MemoryLog {
            key_index: options.key_index.unwrap_or_default(),
            time_index: options.time_index.unwrap_or_default(),
            retention: options.admission.retention,
            floor: options.environment.retaining.floor.clone().unwrap_or_default(),
            process: Process::current(),
            aging: Mutex::new(Aging::of_new_log(&options.admission.retention, &now)),
            next_look: Mutex::new(now.monotonic),
            clock,
            rollover: options.rollover,
            state: RwLock::new(Some(State::guarded_by(Guard::new(
                options.admission,
                ControlState::default(),
                Producers::default(),
                0,
            )))),
            changes: Changes::new(),
            life: random_life(),
        }
    }

    /// Refuses forks: a thread that they do not have may have held the lock.
    fn check_not_forked(&self) -> Result<()> {
        self.process.is_current().then_some(()).ok_or(Error::Forked)
    }

    /// The log as it is now, after what has come due.
    pub(super) fn state_now(&self) -> Result<MappedRwLockReadGuard<'_, State>> {
        self.check_not_forked()?;
        self.keep_up()?;
        self.state_as_is()
    }

    pub(super) fn state_as_is(&self) -> Result<MappedRwLockReadGuard<'_, State>> {
        self.check_not_forked()?;
        RwLockReadGuard::try_map(self.state.read(), Option::as_ref).map_err(|_| Error::Closed)
    }

    /// Applies `change` under the lock, then wakes waiting readers without it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.check_not_forked()?;
        let changed = change(self.state.write().as_mut().ok_or(Error::Closed)?);
        self.changes.notify();
        changed
    }

    pub(super) fn need_key_index(&self) -> Result<()> {
        need(self.key_index, IndexKind::Key)
    }

    fn need_index_for(&self, start: Start) -> Result<()> {
        let has_it = self.time_index || !matches!(start, Start::Time(_));
        need(has_it, IndexKind::Time)
    }
}

impl Log for MemoryLog {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        let ack = self.append(messages, how)?;
        // Of a batch that had been published before, the end is not the next offset.
        Ok(ack.next_offset())
    }

    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        self.append_batch(messages, how)
    }

    fn tail(&self) -> Result<Place> {
        Ok(self.state_now()?.tail())
    }

    fn token(&self) -> Result<Token> {
        Ok(self.state_now()?.guard.state.token)
    }

    fn is_sealed(&self) -> Result<bool> {
        Ok(self.state_now()?.guard.state.is_sealed)
    }

    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        let source = |offset, count| {
            let state = self.state_as_is()?;
            if how.control {
                return state.records(offset, count);
            }
            let batch = state.consume(Start::At(offset), count)?;
            let records = batch.messages.into_iter().map(Record::Message).collect();
            Ok((records, batch.next_offset))
        };
        Reading::run(self, from, how, source)
    }

    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let reached = || match self.next_offset() {
            Ok(next_offset) if next_offset < offset => None,
            other => Some(other),
        };
        let reached = self.changes.wait_until(deadline, reached);
        reached.unwrap_or_else(|| self.next_offset())
    }

    fn start_offset(&self) -> Result<u64> {
        Ok(self.state_now()?.start_offset())
    }

    fn next_offset(&self) -> Result<u64> {
        Ok(self.state_now()?.next_offset())
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        let state = self.state_now()?;
        self.need_index_for(from)?;
        state.consume(from, max_count)
    }

    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        let state = self.state_now()?;
        self.need_key_index()?;
        self.need_index_for(from)?;
        state.consume_by_key(key, from, max_count)
    }

    fn get(&self, at: Start) -> Result<Message> {
        let state = self.state_now()?;
        self.need_index_for(at)?;
        state.get(at)
    }

    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        let state = self.state_now()?;
        self.need_key_index()?;
        state.get_by_key(key)
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.get(Start::Time(start))
    }

    fn offset_by_age(&self, age: Duration) -> Result<Option<u64>> {
        let horizon = Horizon::at(self.clock.now().as_micros(), age, false);
        Ok(Some(self.state_now()?.first_young(&horizon).offset))
    }

    /// The bytes of key, value and headers, plus [`MESSAGE_OVERHEAD`](MemoryLog::MESSAGE_OVERHEAD).
    fn size(&self, message: &NewMessage<'_>) -> u64 {
        size_of(message)
    }

    fn position(&self) -> Result<Position> {
        self.position_at(self.next_offset()?)
    }

    fn position_at(&self, offset: u64) -> Result<Position> {
        let life = self.life;
        self.state_now().map(|_| Position { life, offset })
    }

    fn resume(&self, position: Position) -> Result<Start> {
        drop(self.state_now()?);
        if position.life == self.life {
            return Ok(Start::At(position.offset));
        }
        Err(Error::EpochChanged {
            position,
            parted_at: None,
        })
    }

    /// The log counts as one segment, whose size is the sum of [`size`](Log::size) over the
    /// messages. All messages count as synced.
    fn stat(&self) -> Result<Stats> {
        let state = self.state_now()?;
        Ok(Stats {
            segments: 1,
            messages: state.count(),
            size: state.size(),
            start_offset: state.start_offset(),
            next_offset: state.next_offset(),
            synced_offset: state.next_offset(),
            unsynced_since: None,
            epoch: 0,
            life: Some(self.life),
            token: state.guard.state.token,
            is_sealed: state.guard.state.is_sealed,
            producers: state.guard.producers.count() as u64,
            key_index: self.key_index,
            time_index: self.time_index,
            mapped_files: MappedFiles::Nothing,
        })
    }

    fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted> {
        self.change(|state| Ok(state.delete(offsets, size)))
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.change(|state| Ok(state.trim(before, size)))
    }

    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        if dry_run {
            let state = self.state_as_is()?;
            return Ok(state.trim_result(self.retention_cut(&state)?.before, size));
        }
        self.change(|state| {
            state.size_since = 0;
            let _pass = self.floor.begin_pass();
            let cut = self.retention_cut(state)?;
            Ok(self.trim_to(state, cut))
        })
    }

    /// Fails with [`Unsupported`](Error::Unsupported), because there are no files to copy.
    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        drop(self.state_now()?);
        Err(Error::Unsupported {
            path: dir.to_path_buf(),
            what: "a backup of a log in memory",
        })
    }

    fn sync(&self) -> Result<u64> {
        self.next_offset()
    }

    fn gc(&self, _unused_for: Duration) -> Result<()> {
        self.state_now().map(drop)
    }

    fn close(&self) -> Result<()> {
        self.check_not_forked()?;
        *self.state.write() = None;
        self.changes.notify();
        Ok(())
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.changes)
    }
}

impl Default for MemoryLog {
    fn default() -> MemoryLog {
        MemoryLog::new()
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("MemoryLog");
        text.field("key_index", &self.key_index)
            .field("time_index", &self.time_index);
        match self.state_as_is() {
            Ok(state) => text
                .field("start_offset", &state.start_offset())
                .field("next_offset", &state.next_offset()),
            Err(_) => text.field("closed", &true),
        };
        text.finish_non_exhaustive()
    }
}

/// Fails if the log has no such index.
fn need(has_it: bool, index: IndexKind) -> Result<()> {
    let path = None;
    has_it.then_some(()).ok_or(Error::NoIndex { index, path })
}

/// The id of a life, drawn from the random keys of two hashers.
fn random_life() -> LifeId {
    let random = || u128::from(RandomState::new().hash_one(0_u8));
    LifeId::from_bytes(((random() << 64) | random()).to_ne_bytes())
}

/// See [`MemoryLog::size`](Log::size).
fn size_of(message: &NewMessage<'_>) -> u64 {
    message.content_size().saturating_add(MemoryLog::MESSAGE_OVERHEAD)
}

pub(super) fn size(message: &Message) -> u64 {
    size_of(&message.as_new())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failed assertion of an application may print the log. The text has the offsets, not the
    /// messages.
    #[test]
    fn debug_shows_bounds_and_whether_it_is_closed() {
        let log = MemoryLog::new();
        log.publish(&[NewMessage::value(b"secret")]).unwrap();
        let text = format!("{log:?}");
        assert!(
            text.contains("next_offset: 1") && !text.contains("secret"),
            "{text}"
        );
        log.close().unwrap();
        assert!(format!("{log:?}").contains("closed: true"));
    }

    #[test]
    fn size_is_content_and_the_documented_constant() {
        let log = MemoryLog::default();
        let message = NewMessage::new(b"key", b"value").headers(&[(b"ab", b"c")]);
        assert_eq!(log.size(&message), 11 + MemoryLog::MESSAGE_OVERHEAD);
        log.publish(&[message, message]).unwrap();
        assert_eq!(log.stat().unwrap().size, 2 * log.size(&message));
        assert_eq!(log.stat().unwrap().segments, 1);
    }
}
