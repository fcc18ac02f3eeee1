use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, MutexGuard};

use super::list::SegmentList;
use super::mappings::{Mappings, releases_for};
use crate::directory::Directory;
use crate::engine::teller::Teller;
use crate::format::FileName;
use crate::log::Listed;
use crate::segment::{Active, Budget, Seal, Sealed, SegmentRef};
use crate::sys::found;
use crate::{Error, Result};

/// The segments of an open log: the current list, and which of them are mapped.
///
/// Readers take the current list and never wait. A change replaces the list as a whole.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) directory: Arc<Directory>,
    /// Tells what happens to the log.
    pub(crate) teller: Arc<Teller>,
    list: ArcSwap<SegmentList>,
    mappings: Arc<Mappings>,
    /// Held while a segment is sealed, or while another one gets its name.
    replacing: Mutex<()>,
    /// Finds out what another handle has changed; none where only this one changes anything.
    look: OnceLock<Weak<dyn Look>>,
    /// How many files were opened.
    opened: AtomicU64,
}

/// Finds out what somebody else has changed in a log.
pub(crate) trait Look: std::fmt::Debug + Send + Sync {
    /// Puts a newer list in the place of the current one, and shows more of its last segment, where
    /// there is something new. `is_forced` says that there must be, or that a file is missing: what
    /// usually tells that nothing has changed is not asked.
    fn look(&self, is_forced: bool) -> Result<()>;
}

impl Segments {
    pub(crate) fn new(
        directory: &Arc<Directory>,
        teller: Arc<Teller>,
        list: SegmentList,
        mapped_max: usize,
    ) -> Segments {
        Segments {
            directory: Arc::clone(directory),
            teller,
            list: ArcSwap::from_pointee(list),
            mappings: Mappings::new(mapped_max),
            replacing: Mutex::new(()),
            look: OnceLock::new(),
            opened: AtomicU64::new(0),
        }
    }

    /// The list as it is now.
    #[inline]
    pub(crate) fn list(&self) -> Guard<Arc<SegmentList>> {
        self.list.load()
    }

    /// Has `look` find out from now on what somebody else has changed.
    pub(crate) fn watch_by(&self, look: Weak<dyn Look>) {
        let _ = self.look.set(look);
    }

    /// Whether somebody else changes the log.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.look.get().is_some()
    }

    /// Finds out what somebody else has changed; see [`Look::look`].
    #[cold]
    pub(crate) fn look(&self, is_forced: bool) -> Result<()> {
        let look = self.look.get().and_then(Weak::upgrade);
        look.map_or(Ok(()), |look| look.look(is_forced))
    }

    /// How many files were opened, where the files may be others than those of the list.
    pub(crate) fn opened(&self) -> Option<u64> {
        self.is_watched().then(|| self.opened.load(Ordering::Relaxed))
    }

    /// Puts `list` in the place of the current one.
    pub(crate) fn put(&self, list: SegmentList) {
        self.list.store(Arc::new(list));
    }

    /// Adds segments behind the last one.
    pub(crate) fn show_next(&self, segments: &[Arc<Active>]) {
        let new = || segments.iter().cloned().map(SegmentRef::Active);
        self.change(|list| list.segments.extend(new()));
    }

    /// Replaces the list.
    pub(crate) fn change(&self, change: impl Fn(&mut SegmentList)) {
        self.list.rcu(|list| {
            let mut list = SegmentList::clone(list);
            change(&mut list);
            list
        });
    }

    /// Puts `with` in the place of the segment with the same base.
    pub(crate) fn replace(&self, with: &SegmentRef) {
        self.change(|list| {
            if let Some(segment) = list
                .segments
                .iter_mut()
                .find(|segment| segment.base() == with.base())
            {
                *segment = with.clone();
            }
        });
    }

    /// Takes the lock under which one segment at a time is sealed, or gives its name to another.
    pub(crate) fn lock_replacing(&self) -> MutexGuard<'_, ()> {
        self.replacing.lock()
    }

    /// Whether `segment` still belongs to the log and is not sealed yet.
    pub(crate) fn has_active(&self, segment: &Arc<Active>) -> bool {
        self.list()
            .segments
            .iter()
            .any(|held| matches!(held, SegmentRef::Active(active) if Arc::ptr_eq(active, segment)))
    }

    /// The segments that were left behind and are not sealed yet, each with its seal.
    pub(crate) fn unsealed(&self) -> Vec<(Arc<Active>, Seal)> {
        self.list()
            .before_last()
            .iter()
            .filter_map(|segment| match segment {
                SegmentRef::Active(active) => Some((Arc::clone(active), active.seal_from(active.visible())?)),
                SegmentRef::Sealed(_) => None,
            })
            .collect()
    }

    /// Releases the files of segments that no longer belong to the log. Readers keep what they
    /// hold.
    pub(crate) fn forget_mapped(&self, segments: &[SegmentRef]) {
        for segment in segments {
            if let SegmentRef::Sealed(sealed) = segment {
                sealed.release(true);
            }
        }
        self.mappings.drop_released();
    }

    /// See [`Log::gc`](crate::Log::gc).
    pub(crate) fn release_unused(&self, unused_for: Duration) {
        self.mappings.release_unused(unused_for);
    }

    /// Lets go of all segments, because the log is closed.
    pub(crate) fn clear(&self) {
        self.list.store(Arc::new(SegmentList::default()));
        self.mappings.clear();
    }

    /// Bytes of a segment's files. Space reserved ahead of the end does not count.
    pub(crate) fn size_on_disk(&self, segment: &SegmentRef) -> Result<u64> {
        let base = segment.base();
        match segment {
            SegmentRef::Active(active) => Ok(u64::from(active.visible().end)),
            SegmentRef::Sealed(_) => {
                Ok(self.len_of(&FileName::Segment(base))? + self.len_of(&FileName::Index(base))?)
            }
        }
    }

    /// Has the meter show the segments as they are now.
    pub(crate) fn show(&self) {
        self.directory.health.meter().listed(|| self.listed());
    }

    /// The segments for the meter, and where the one ends that is appended to.
    fn listed(&self) -> (Listed, u64) {
        let list = self.list();
        let end = match list.segments.last() {
            Some(SegmentRef::Active(active)) => u64::from(active.visible().end),
            _ => 0,
        };
        let all = list.segments.iter().map(|segment| match segment {
            SegmentRef::Active(active) => u64::from(active.visible().end),
            SegmentRef::Sealed(sealed) => sealed.size(),
        });
        let listed = Listed {
            start_offset: list.start_offset,
            segments: list.segments.len(),
            left_behind: all.sum::<u64>().saturating_sub(end),
        };
        (listed, end)
    }

    /// Bytes of a file; 0 where there is none.
    pub(crate) fn len_of(&self, name: &FileName) -> Result<u64> {
        Ok(found(self.directory.len_of(name))?.unwrap_or(0))
    }
}

impl Budget for Segments {
    /// Releases others when there are too many.
    fn note_mapped(&self, segment: &Arc<Sealed>) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.mappings.note(segment);
    }

    #[cold]
    fn releases_for(&self, error: &Error) -> bool {
        releases_for(error)
    }
}
