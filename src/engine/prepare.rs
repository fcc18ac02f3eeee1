//! What has to be in a log's directory, and what does not, before the log is opened.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::chain::Chain;
use crate::control::ControlState;
use crate::directory::{Copies, Directory, Home, MetaStore, corrupt, initialise};
use crate::format::{CleanEnd, FileName, Life, Lives, Meta, PREPARED_NAME};
use crate::segment::{KeyRun, runs_among};
use crate::sys::{Dir, DirLock, Os, Storage};
use crate::{Corruption, Durability, Error, LifeId, Options, Result};

impl Options {
    /// Locks the log in `dir`, for one writer or for those who want none beside them; waits for
    /// others as long as the options say.
    pub(crate) fn lock(&self, dir: &Dir, exclusive: bool) -> Result<DirLock> {
        const PAUSE_MAX: Duration = Duration::from_millis(20);
        // Without an end if that is later than the clock can say.
        let deadline = Instant::now().checked_add(self.environment.lock_timeout);
        let mut pause = Duration::from_micros(100);
        loop {
            let locked = match dir.lock(exclusive) {
                Err(locked @ Error::Locked { .. }) => locked,
                other => return other,
            };
            let left = deadline.map_or(PAUSE_MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(locked);
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The lock that a handle with these options needs.
    pub(super) fn lock_for_writing(&self, dir: &Dir) -> Result<Option<DirLock>> {
        (!self.read_only).then(|| self.lock(dir, true)).transpose()
    }

    #[cfg_attr(
        not(feature = "fault"),
        expect(clippy::unused_self, reason = "there is only one")
    )]
    pub(crate) fn file_system(&self) -> Arc<dyn Storage> {
        #[cfg(feature = "fault")]
        if let Some(disk) = &self.environment.disk {
            return Arc::new(disk.clone());
        }
        Arc::new(Os)
    }
}

/// Removes the files that do not belong to the log any more.
pub(super) fn remove_superseded(chain: &mut Chain) -> Result<()> {
    let directory = &chain.directory;
    let dir = &directory.dir;
    let is_any = !chain.superseded.is_empty();
    if chain.meta.clean.is_none() || !chain.copies.agree() || is_any {
        // A process that renamed a segment may have been killed before the new name was durable.
        // From here on the names in the directory are acted on, and later calls take them for
        // durable.
        dir.sync()?;
    }
    if is_any && !chain.copies.agree() {
        // The metadata decides which segments are removed now, and may not be durable either.
        let newest = chain.copies.newest(dir)?;
        MetaStore::new(dir, newest, &chain.copies).write(|_| {})?;
        chain.copies = Copies::read(dir)?;
        chain.meta.sequence += 1;
    }
    remove_leftovers(directory)?;
    directory.remove_segments(chain.superseded.iter().copied())
}

/// The key runs of a log that is opened for writing. The files of those that others cover, or that
/// were trimmed, are removed.
pub(super) fn runs_of(directory: &Directory, start_offset: u64) -> Result<Vec<Arc<KeyRun>>> {
    let (runs, rest) = runs_among(&directory.dir.list()?, start_offset);
    rest.iter().try_for_each(|name| directory.remove(name))?;
    Ok(runs)
}

/// Reads the two copies of the metadata; in an empty directory they are written first.
pub(super) fn read_or_create(dir: &Dir, options: &Options, bases: &[u64], home: Home) -> Result<Copies> {
    let mut copies = Copies::read(dir)?;
    if !copies.is_absent() {
        let durable = options.environment.durable_metadata.as_ref();
        let durable = durable.filter(|_| options.environment.is_brief);
        let durable = durable.map_or(0, |durable| durable.load(Ordering::Relaxed));
        copies.is_newest_durable = durable > 0 && durable == copies.sequence();
        return Ok(copies);
    }
    if !bases.is_empty() {
        return Err(without_metadata(dir, bases));
    }
    if !options.environment.is_path_durable {
        dir.sync_above()?;
    }
    create_log(dir, options, home)?;
    let mut copies = Copies::read(dir)?;
    copies.is_newest_durable = true;
    Ok(copies)
}

/// The error for a directory without metadata, and with these segments.
pub(super) fn without_metadata(dir: &Dir, bases: &[u64]) -> Error {
    if bases.is_empty() {
        return no_log(dir.path());
    }
    // A directory with segments but without metadata is not an empty log.
    let path = dir.path_of(crate::format::META_NAMES[0]);
    corrupt(&path, 0, None, Corruption::Meta)
}

/// Whether the log in this directory was closed in order, and nothing was written since.
pub(crate) fn was_closed(dir: &Dir) -> Result<bool> {
    Ok(Copies::read(dir)?.newest(dir)?.clean.is_some())
}

pub(super) fn no_log(path: &Path) -> Error {
    Error::NoLog {
        path: path.to_path_buf(),
    }
}

fn create_log(dir: &Dir, options: &Options, home: Home) -> Result<()> {
    initialise(dir, &new_metadata(dir, options, home)?)
}

/// The metadata of a new log without messages.
pub(super) fn new_metadata(dir: &Dir, options: &Options, home: Home) -> Result<Meta> {
    let life = Life {
        id: LifeId::from_bytes(dir.random()?),
        begin: 0,
    };
    Ok(Meta {
        log_id: dir.random()?,
        sequence: 1,
        start_offset: 0,
        next_offset: 0,
        key_index: options.key_index.unwrap_or_default(),
        time_index: options.time_index.unwrap_or_default(),
        visible_is_durable: options.durability == Durability::EachPublish,
        has_gaps: false,
        unfinished: false,
        incomplete: false,
        merge: None,
        boot: home.boot,
        lock: home.lock,
        lives: Lives::new(life, 0),
        clean: Some(CleanEnd { last: None }),
        control: (0, ControlState::default()),
    })
}

/// Removes files that an earlier life began and did not finish. Nothing in the log refers to them.
fn remove_leftovers(directory: &Directory) -> Result<()> {
    for name in directory.dir.list()? {
        let is_leftover = name == PREPARED_NAME
            || matches!(
                FileName::parse(&name),
                Some(
                    FileName::SegmentTemporary(_)
                        | FileName::IndexTemporary(_)
                        | FileName::KeysTemporary { .. }
                        | FileName::ProducersTemporary(_)
                )
            );
        if is_leftover {
            directory.dir.remove(&name)?;
        }
    }
    Ok(())
}
