use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::glimpse::until_it_fits;
use super::known::{KnownLives, Seen};
use crate::chain::{Chain, segment_bases};
use crate::control::{Guard, Producers};
use crate::directory::{Copies, Directory, Home, LiveMetadata, corrupt};
use crate::engine::append::Append;
use crate::engine::found_log::FoundLog;
use crate::engine::segments::{Look, SegmentList, Segments};
use crate::format::{FileName, META_NAMES, Meta};
use crate::sys::{COARSE_NAMES_SETTLE_AFTER, Dir, NAMES_SETTLE_AFTER};
use crate::{Corruption, Error, LifeId, MappedFiles, Options, Position, Result};

/// Finds out where the log in a directory ends, as opening does.
pub(crate) type Find = fn(&Options, &Dir, Option<&Arc<Directory>>) -> Result<FoundLog>;

/// The log as a look has found it, to be taken over.
pub(super) struct View {
    pub(super) list: SegmentList,
    pub(super) meta: Meta,
    /// See [`FoundLog`].
    pub(super) common_until: u64,
    pub(super) next_offset: u64,
    /// Everything below this offset is on stable storage.
    pub(super) durable: u64,
}

/// A read-only handle's eyes: what it has seen of the log's directory, and where that goes.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(super) options: Options,
    pub(super) find: Find,
    pub(super) directory: Arc<Directory>,
    pub(super) segments: Arc<Segments>,
    pub(super) append: Arc<Append>,
    pub(super) metadata: Arc<LiveMetadata>,
    pub(super) lives: Arc<KnownLives>,
    watched: Mutex<Watched>,
}

/// What one thread at a time looks at.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) seen: Seen,
    pub(super) meta: Meta,
    /// The offset behind all that this handle has shown.
    pub(super) end: u64,
    /// A look has failed and lost the tails.
    pub(super) has_lost: bool,
    /// When the names were first seen as they are.
    names_since: Instant,
    /// The last look may have met names or metadata that were just changing.
    is_unsettled: bool,
    /// A life has begun in front of that offset.
    parted: Option<(Position, Option<u64>)>,
}

impl Beside {
    pub(crate) fn new(
        (options, find): (&Options, Find),
        seen: Seen,
        segments: &Arc<Segments>,
        append: &Arc<Append>,
        metadata: &Arc<LiveMetadata>,
        lives: &Arc<KnownLives>,
    ) -> Beside {
        segments.directory.listen_to_bell();
        let meta = metadata.current();
        let watched = Watched {
            is_unsettled: true,
            has_lost: false,
            names_since: Instant::now(),
            seen,
            meta,
            end: segments.list().next_offset(),
            parted: None,
        };
        Beside {
            options: options.clone(),
            find,
            directory: Arc::clone(&segments.directory),
            segments: Arc::clone(segments),
            append: Arc::clone(append),
            metadata: Arc::clone(metadata),
            lives: Arc::clone(lives),
            watched: Mutex::new(watched),
        }
    }

    /// Lets go of all files. Nobody looks any more, because the handle is closed.
    pub(crate) fn close(&self) {
        self.watched.lock().seen.let_go();
        self.directory.stop_listening();
    }

    fn look_once(&self, watched: &mut Watched, is_forced: bool) -> Result<()> {
        let names = self.directory.dir.names_changed_at()?;
        let is_same = !is_forced
            && !watched.is_unsettled
            && !watched.has_lost
            && names == watched.seen.names
            && !watched.seen.copies.have_changed()?;
        if is_same {
            watched.seen.tails.read_on(self.directory.kinds.key)?;
            return self.show(watched);
        }
        self.look_anew(watched)
    }

    /// Looks at the names and the metadata.
    fn look_anew(&self, watched: &mut Watched) -> Result<()> {
        let dir = &self.directory.dir;
        let began = Instant::now();
        let (seen, copies) = Seen::read(dir)?;
        let meta = copies.newest(dir)?;
        if seen.names != watched.seen.names {
            watched.names_since = began;
        }
        let is_same_bell = seen.listing.has_same_bell(&watched.seen.listing);
        // When the file is new, its writer may not have made it a bell yet.
        if !is_same_bell || (seen.listing.has_bell() && !self.directory.health.changes().listens()) {
            self.directory.listen_to_bell();
        }
        // Where the wall clock was set back, or the names may be changed on another machine, only
        // our own clock tells.
        let is_elsewhere = dir.mapped_files() == MappedFiles::Nothing;
        let settle_after = if is_elsewhere {
            COARSE_NAMES_SETTLE_AFTER
        } else {
            NAMES_SETTLE_AFTER
        };
        let is_old = seen.names.is_known() && began - watched.names_since > settle_after;
        let is_settled = (seen.names.is_settled() && !is_elsewhere) || is_old;
        let is_settled = is_settled && seen.copies.newest() == meta.sequence;
        if meta.log_id != self.directory.log_id {
            let path = dir.path_of(META_NAMES[0]);
            return Err(corrupt(&path, 0, None, Corruption::Foreign));
        }
        if meta == watched.meta && seen.listing == watched.seen.listing && !watched.has_lost {
            watched.seen.names = seen.names;
            watched.seen.copies = seen.copies;
            watched.seen.note = seen.note;
            watched.seen.tails.read_on(self.directory.kinds.key)?;
        } else {
            watched.judge_lives(&meta)?;
            let home = Home::of(dir)?;
            if meta.clean.is_some() || meta.unfinished || home.may_have_lost(&meta) {
                self.find_anew(watched)?;
            } else {
                let mut seen = seen;
                seen.only_durable = home.shows_only_durable(&meta);
                self.rebuild(watched, seen, copies, meta)?;
            }
        }
        watched.is_unsettled = !is_settled;
        self.show(watched)
    }

    /// Finds out where the log ends as opening does, and goes on with that.
    fn find_anew(&self, watched: &mut Watched) -> Result<()> {
        let found = (self.find)(&self.options, &self.directory.dir, Some(&self.directory))?;
        let Some(seen) = found.seen else { return Ok(()) };
        let meta = found.metadata.current().clone();
        // It may be newer than what made this look necessary.
        watched.judge_lives(&meta)?;
        let guard = found.appender.guard;
        let view = View {
            list: found.list,
            meta,
            common_until: found.common_until,
            next_offset: found.appender.next_offset,
            durable: found.durable,
        };
        self.take_over(watched, seen, view, |known| *known = guard);
        Ok(())
    }

    /// Goes on with what a look has found, of which `learn` tells the guard.
    pub(super) fn take_over(
        &self,
        watched: &mut Watched,
        seen: Seen,
        view: View,
        learn: impl FnOnce(&mut Guard),
    ) {
        self.replace_list(watched, &seen, view.list);
        self.lives.replace(view.meta.lives.clone(), view.common_until);
        self.append.learn(view.next_offset, view.durable, learn);
        self.metadata.learn(view.meta.clone());
        watched.seen = seen;
        watched.meta = view.meta;
        watched.has_lost = false;
    }

    /// What producers have published: from the newest table and the segments behind it. Nothing of
    /// this is kept, because only backups and `stat` ask.
    pub(crate) fn producers(&self) -> Result<Producers> {
        let directory = &self.directory;
        until_it_fits(&directory.dir, || {
            let copies = Copies::read(&directory.dir)?;
            let meta = copies.newest(&directory.dir)?;
            let is_unfinished = meta.unfinished;
            let bases = segment_bases(&directory.dir)?;
            let chain = Chain::new(Arc::clone(directory), copies, meta, bases)?;
            let newest = || -> Result<u64> {
                Ok(directory
                    .load_producers(u64::MAX)?
                    .map_or(0, |newest| newest.offset))
            };
            // A table that reaches further is of a log that has gone on since the last look, or was
            // left by an interrupted backup.
            let end = self.segments.list().next_offset();
            let end = if is_unfinished { end } else { end.max(newest()?) };
            let found = chain.producers(&self.append.control(), end, None, &self.options)?;
            // Before a segment with batches behind a table is rewritten, there is a newer table.
            if newest()? != found.saved && !is_unfinished {
                let path = directory.path_of(&FileName::Producers(found.saved));
                return Err(corrupt(&path, 0, None, Corruption::Missing));
            }
            Ok(found.producers)
        })
    }

    /// Shows readers what was read.
    fn show(&self, watched: &mut Watched) -> Result<()> {
        let floor = watched.meta.next_offset.max(watched.end);
        let before = watched.seen.tails.shown;
        watched.seen.show(floor, &watched.meta)?;
        let tails = &watched.seen.tails;
        if tails.shown > before {
            let new: Vec<_> = tails.shown().skip(before).cloned().collect();
            self.segments.show_next(&new);
        }
        let end = self.segments.list().next_offset();
        if end == watched.end && tails.shown == before {
            return Ok(());
        }
        watched.end = end;
        // What this handle has seen being added is of the life that it knows.
        self.lives.is_common_until(end);
        let told = tails.control();
        self.append.learn(end, watched.seen.durable(end), |guard| {
            if let Some(told) = told {
                guard.learn(watched.meta.control_at(end, told), end);
            }
        });
        Ok(())
    }
}

impl Look for Beside {
    fn look(&self, is_forced: bool) -> Result<()> {
        // In a fork, a thread of its parent may have held the lock.
        self.directory.health.check_open()?;
        let looked = {
            let watched = &mut *self.watched.lock();
            until_it_fits(&self.directory.dir, || {
                self.directory.health.check_open()?;
                watched.check_not_parted()?;
                self.look_once(watched, is_forced)
            })
        };
        if let Err(Error::EpochChanged { .. }) = &looked {
            // Whoever waits is to find out.
            self.directory.health.changes().notify();
        }
        looked
    }
}

impl Watched {
    /// Fails if a life has begun in front of what this handle has shown: its messages may be gone.
    pub(super) fn judge_lives(&mut self, meta: &Meta) -> Result<()> {
        let life: LifeId = self.meta.lives.current().id;
        let parted_at = meta.lives.common_with(life);
        if parted_at.is_some_and(|parted_at| self.end <= parted_at) {
            return Ok(());
        }
        let offset = self.end;
        self.parted = Some((Position { life, offset }, parted_at));
        self.check_not_parted()
    }

    fn check_not_parted(&self) -> Result<()> {
        match self.parted {
            Some((position, parted_at)) => Err(Error::EpochChanged { position, parted_at }),
            None => Ok(()),
        }
    }
}
