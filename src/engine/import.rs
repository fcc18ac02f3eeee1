//! Writing a new log whose offsets are chosen.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::append::check_message_size;
use super::backup::{accept_for_new, begin_anew, metadata_in};
use super::prepare::new_metadata;
use crate::control::ControlState;
use crate::directory::{Directory, Home, MetaStore};
use crate::format::{
    CleanEnd, FileName, FrameSeeds, Previous, RecordKind, Salt, SegmentHeader, encode_record, record_len,
};
use crate::log::{Clock, creation_time, latest_clock};
use crate::segment::{Rewriter, Sealed, SegmentEnd};
use crate::sys::{Created, Dir, DirLock, Open};
use crate::{Error, NewMessage, Options, Result};

impl Options {
    /// Begins a new log in `dir` whose messages have chosen offsets: what another log, or a program
    /// of another kind, has kept. [`Import`] takes the messages. The directory and its parents are
    /// created if they are missing. Files there whose names are not the library's are left alone.
    ///
    /// Of these options, the indexes, the rollover, the clock and
    /// [`mapped_files`](Options::mapped_files) count.
    ///
    /// An import that was not finished before, or a restore, is dropped: this one begins afresh.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for options out of range, and if the directory holds a log or files of
    /// one, or a file that is named as a segment and is none; [`Error::Unfinished`] if it holds a
    /// backup that was interrupted; [`Error::Locked`] if another handle has it open for writing;
    /// [`Error::Io`].
    pub fn import(&self, dir: impl AsRef<Path>) -> Result<Import> {
        self.check_values()?;
        Import::begin(self, dir.as_ref())
    }
}

/// A new log that is being written, message by message, with chosen offsets. Begun by
/// [`Options::import`].
///
/// Until [`finish`](Import::finish) has returned, the directory is known as unfinished: every call
/// on it fails with [`Error::Unfinished`], after a crash as well, until something is imported to it
/// again. Then the log is durable.
///
/// The log's start offset is the offset of its first message. Below that, and between messages,
/// there is nothing, as in a log that was trimmed and from which messages were deleted. A gap costs
/// no space, however large it is. The log has a life of its own.
///
/// Messages go to the file system as they come, and each segment is durable before the next one is
/// begun. So the memory needed does not depend on how many there are, but for the index of one
/// segment at a time.
///
/// For [retention by age](crate::Retention::max_age), messages are as old as their import. Only if
/// it goes by the [time of the event](crate::Retention::by_event_time), their own times count.
///
/// ```
/// use duramen::{Log, NewMessage, Options, Start, Timestamp};
///
/// # fn main() -> duramen::Result<()> {
/// # let scratch = tempfile::tempdir().unwrap();
/// # let dir = scratch.path().join("log");
/// let mut import = Options::new().key_index(true).import(&dir)?;
/// let at = Timestamp::from_micros(1_500_000_000_000_000);
/// import.push(70, &NewMessage::new(b"a", b"first").time(at))?;
/// import.push(1_000_000_000_000, &NewMessage::new(b"b", b"second").time(at))?;
/// assert_eq!(import.finish(2_000_000_000_000)?.messages, 2);
///
/// let log = Options::new().open(&dir)?;
/// assert_eq!(log.start_offset()?, 70);
/// assert_eq!(log.get_by_key(b"b")?.offset, 1_000_000_000_000);
/// log.publish(&[NewMessage::value(b"third")])?;
/// assert_eq!(log.get(Start::At(2_000_000_000_000))?.value.as_deref(), Some(&b"third"[..]));
/// # Ok(())
/// # }
/// ```
#[must_use = "what is not finished is no log"]
pub struct Import {
    directory: Arc<Directory>,
    metadata: MetaStore,
    clock: Arc<dyn Clock>,
    rollover: u64,
    segment: Option<Begun>,
    /// How the segment that is begun next knows the one before it.
    previous: Option<Previous>,
    /// The latest time by the clock in that one, as a header says it.
    previous_clock: u32,
    frame: Vec<u8>,
    /// What the messages so far have come to.
    control: ControlState,
    report: ImportReport,
    _lock: DirLock,
}

/// The segment that is being written.
struct Begun {
    base: u64,
    seeds: FrameSeeds,
    rewriter: Rewriter,
    /// The latest time by the clock in it.
    clock_max: i64,
}

/// What an [`Import`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Messages in the log.
    pub messages: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Bytes of these segments, without their indexes.
    pub bytes: u64,
    /// The start offset of the log: that of its first message, or the next offset if there is no
    /// message.
    pub start_offset: u64,
    /// The next offset of the log.
    pub next_offset: u64,
}

impl Import {
    fn begin(options: &Options, path: &Path) -> Result<Import> {
        let mut created = Created::open(&*options.file_system(), path, &|_| Ok(()))?;
        let lock = created.lock()?;
        let dir = created
            .dir()
            .clone()
            .mapping_at_most(options.environment.mapped_files);
        let store = metadata_in(&dir)?;
        if let Some(store) = &store {
            accept_for_new(store.current(), &dir)?;
            refuse_foreign(&dir)?;
        }
        let mut unfinished = new_metadata(&dir, options, Home::of(&dir)?)?;
        unfinished.incomplete = true;
        let (log_id, kinds) = (unfinished.log_id, unfinished.index_kinds());
        // From here on, a directory that is left has word of why it is no log.
        created.keep();
        let metadata = begin_anew(store, &dir, unfinished)?;
        remove_left(&dir)?;
        Ok(Import {
            directory: Arc::new(Directory::new(dir, log_id, kinds, true)),
            metadata,
            clock: Arc::clone(&options.environment.clock),
            rollover: options.rollover,
            segment: None,
            previous: None,
            previous_clock: 0,
            frame: Vec::new(),
            control: ControlState::default(),
            report: ImportReport::default(),
            _lock: lock,
        })
    }

    /// The lowest offset that the next message may have: one above that of the last; 0 before the
    /// first.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.report.next_offset
    }

    /// Adds a message with this offset, which is above that of the last one. A message without a
    /// time gets that of the clock. It is durable when [`finish`](Import::finish) has returned.
    ///
    /// # Errors
    ///
    /// After these errors the next message may be added: [`Error::OffsetMismatch`] if the offset is
    /// not above the last one; [`Error::OffsetOutOfRange`] for the largest number there is;
    /// [`Error::TooLarge`].
    ///
    /// After [`Error::Io`] and [`Error::SyncFailed`], this import takes nothing more, which it says
    /// with [`Error::Poisoned`]. [`Error::Forked`].
    pub fn push(&mut self, offset: u64, message: &NewMessage<'_>) -> Result<()> {
        self.directory.health.check_writable()?;
        self.check_offset(offset)?;
        let next = offset.checked_add(1).ok_or(Error::OffsetOutOfRange {
            offset,
            start: self.report.start_offset,
            next: self.report.next_offset,
        })?;
        check_message_size(message)?;
        let added = self.add(offset, message);
        self.directory.health.poison_on_error(added)?;
        if self.report.messages == 0 {
            self.report.start_offset = offset;
        }
        self.report.messages += 1;
        self.report.next_offset = next;
        Ok(())
    }

    /// Finishes the log, which gives the offset `next_offset` to the next message that is
    /// published. When this returns, the log is durable and can be opened.
    ///
    /// # Errors
    ///
    /// [`Error::OffsetMismatch`] if the last message has this offset or a higher one;
    /// [`Error::Io`], [`Error::SyncFailed`], [`Error::Poisoned`], [`Error::Forked`]. After each of
    /// these the directory is unfinished. After an error of the last step alone, which writes the
    /// metadata, it may also be the whole log.
    pub fn finish(mut self, next_offset: u64) -> Result<ImportReport> {
        self.directory.health.check_writable()?;
        self.check_offset(next_offset)?;
        self.seal(next_offset)?;
        if self.report.messages == 0 {
            self.report.start_offset = next_offset;
        }
        self.report.next_offset = next_offset;
        let (start_offset, last, control) = (self.report.start_offset, self.previous, self.control);
        let has_gaps = next_offset - start_offset != self.report.messages;
        self.metadata.write_both(|meta| {
            meta.start_offset = start_offset;
            meta.next_offset = next_offset;
            meta.has_gaps = has_gaps;
            meta.control = (next_offset, control);
            meta.clean = Some(CleanEnd { last });
            meta.incomplete = false;
        })?;
        Ok(self.report)
    }

    fn check_offset(&self, offset: u64) -> Result<()> {
        if offset < self.report.next_offset {
            return Err(Error::OffsetMismatch {
                expected: offset,
                actual: self.report.next_offset,
            });
        }
        Ok(())
    }

    fn add(&mut self, offset: u64, message: &NewMessage<'_>) -> Result<()> {
        let by_clock = message.time.is_none();
        let time = message.time.unwrap_or_else(|| self.clock.now());
        let len = record_len(message);
        let mut begun = match self.segment.take() {
            Some(begun) if begun.rewriter.has_room(offset, len, self.rollover) => begun,
            left => {
                self.segment = left;
                self.seal(offset)?;
                self.begin_segment(offset)?
            }
        };
        self.frame.clear();
        let seed = begun.seeds.record(offset);
        encode_record(&mut self.frame, message, time, seed, RecordKind::Batched, false);
        begun.rewriter.push(&self.frame, offset, &begun.seeds)?;
        if by_clock {
            begun.clock_max = begun.clock_max.max(time.as_micros());
        }
        self.segment = Some(begun);
        self.control.last_time = time.as_micros();
        self.control.time_max = self.control.time_max.max(time.as_micros());
        Ok(())
    }

    fn begin_segment(&self, base: u64) -> Result<Begun> {
        let salt = Salt(self.directory.dir.random()?);
        let header = SegmentHeader {
            log_id: self.directory.log_id,
            salt,
            base,
            epoch: self.metadata.current().lives.epoch(),
            previous: self.previous,
            durable_base: base,
            created: creation_time(self.clock.now().as_micros()),
            previous_clock: self.previous_clock,
            rewrite: None,
            control: self.control,
        };
        Ok(Begun {
            base,
            seeds: FrameSeeds::new(salt),
            rewriter: Rewriter::create(&self.directory, header)?,
            clock_max: i64::MIN,
        })
    }

    /// Makes the segment that is being written durable, up to the offset `end` (exclusive), and
    /// builds its index, for which it is read back and verified.
    fn seal(&mut self, end: u64) -> Result<()> {
        let Some(mut begun) = self.segment.take() else {
            return Ok(());
        };
        let link = begun.rewriter.finish_new(end)?;
        begun.rewriter.install()?;
        let sealed = Sealed::new(Arc::clone(&self.directory), begun.base, SegmentEnd::Known(link));
        sealed.mapped()?;
        self.previous = Some(link);
        self.previous_clock = latest_clock(Some(begun.clock_max));
        self.report.segments += 1;
        self.report.bytes += u64::from(link.len);
        Ok(())
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("dir", &self.directory.dir.path())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Refuses a directory with a segment that an earlier attempt cannot have left: other programs name
/// their files so, too.
fn refuse_foreign(dir: &Dir) -> Result<()> {
    for name in dir.list()? {
        if let Some(FileName::Segment(_)) = FileName::parse(&name) {
            let mut begin = [0; 64];
            let len = dir.open(&name, Open::Read)?.read_at(0, &mut begin)?;
            if !SegmentHeader::may_begin_with(&begin[..len]) {
                let what = "the directory holds a segment of another program";
                return Err(Error::Invalid(what));
            }
        }
    }
    Ok(())
}

/// Removes what an earlier attempt has left, durably. The metadata says that nothing of it counts.
fn remove_left(dir: &Dir) -> Result<()> {
    for name in dir.list()?.iter().filter(|name| FileName::parse(name).is_some()) {
        dir.remove(name)?;
    }
    dir.sync()
}
