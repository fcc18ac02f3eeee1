//! Which key runs to make: one from every 16 sealed segments side by side, and one of the next
//! level from every 16 runs of a level; see [`KeyRun`].

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::Mutex;

use super::key_run_build::{KeyRunBuild, Unfit};
use crate::Job;
use crate::engine::remove::Space;
use crate::engine::segments::{Reader, Segments};
use crate::format::FileName;
use crate::segment::{FAN, KeyRun, SegmentRef};

/// What is known about the key runs of a log, besides those that its list of segments names.
#[derive(Debug, Default)]
pub(super) struct KeyRuns {
    /// Base offsets of segments that cannot be in a key run, as long as this handle lives.
    unfit: Mutex<Vec<u64>>,
}

impl KeyRuns {
    /// Whether there may be segments for another run.
    pub(super) fn may_lack_one(segments: &Segments) -> bool {
        let list = segments.list();
        let covered = list.key_runs.last().map_or(0, |run| run.end);
        let sealed = list.segments.len() - list.index_at(covered).min(list.segments.len());
        segments.directory.kinds.key && sealed > FAN
    }

    /// The key run to make next, if there are segments or runs for one. Without it, everything is
    /// found all the same.
    pub(super) fn next(&self, segments: &Segments, space: &Arc<Space>) -> Option<KeyRunBuild> {
        drop_unusable(segments);
        let reader = segments.teller.note_failure(Job::Index, Reader::new(segments))?;
        // If a segment turns out to be unfit, the search goes on without it.
        while let Some(found) = self.next_segments(&reader) {
            let end = found.last().map_or(0, |last| reader.end_offset_of(last));
            match KeyRunBuild::of_segments(segments, found, end, space.lease()?) {
                Ok(build) => return Some(build),
                Err(unfit) => {
                    if !self.note(segments, &unfit) {
                        return None;
                    }
                }
            }
        }
        let runs = next_runs(&reader)?;
        let build = KeyRunBuild::of_runs(segments, runs, space.lease()?);
        build.map_err(|unfit| self.note(segments, &unfit)).ok()
    }

    /// Notes a segment that cannot be in a key run. False if `unfit` is not about a segment: then
    /// sealing the next segment tries again.
    pub(super) fn note(&self, segments: &Segments, unfit: &Unfit) -> bool {
        match unfit {
            Unfit::Segment(base, _) => self.unfit.lock().push(*base),
            Unfit::Failed(_) | Unfit::Run => {}
        }
        if let Unfit::Segment(_, Some(error)) | Unfit::Failed(error) = unfit {
            segments.teller.failed(Job::Index, error);
        }
        matches!(unfit, Unfit::Segment(..))
    }

    /// The first 16 sealed segments side by side that are in no key run and can be in one.
    fn next_segments(&self, reader: &Reader<'_>) -> Option<Vec<SegmentRef>> {
        let list = reader.list();
        // Segments are not always sealed in order. A run behind a segment that is not sealed would
        // leave too few segments before it for another run.
        let is_sealed = |segment: &&SegmentRef| matches!(segment, SegmentRef::Sealed(_));
        // The last segment may be reopened.
        let sealed_count = list.before_last().iter().take_while(is_sealed).count();
        let sealed = &list.segments[..sealed_count];
        let unfit = self.unfit.lock().clone();
        let is_free = |segment: &SegmentRef| {
            let at = list.key_runs.partition_point(|run| run.end <= segment.base());
            let run = list.key_runs.get(at);
            let is_in_run = run.is_some_and(|run| run.first < reader.end_offset_of(segment));
            !is_in_run && !unfit.contains(&segment.base())
        };
        let mut from = 0;
        for (at, segment) in sealed.iter().enumerate() {
            if !is_free(segment) {
                from = at + 1;
            }
            if at + 1 - from == FAN {
                return Some(sealed[from..=at].to_vec());
            }
        }
        None
    }
}

/// The first 16 runs side by side that have the same level.
fn next_runs<'a>(reader: &'a Reader<'_>) -> Option<&'a [Arc<KeyRun>]> {
    reader.list().key_runs.windows(FAN).find(|runs| {
        let is_one = runs
            .windows(2)
            .all(|pair| pair[0].end == pair[1].first && pair[0].level == pair[1].level);
        let ends = runs.first().zip(runs.last());
        is_one && ends.is_some_and(|(first, last)| u32::try_from(last.end - first.first).is_ok())
    })
}

/// Lets readers use a new key run in the place of the runs that it covers.
///
/// Messages that were removed from its segments meanwhile are still in the run, and cost readers a
/// look at the segments.
pub(super) fn install(segments: &Segments, run: KeyRun) {
    let run = Arc::new(run);
    let replaced = Cell::new(Vec::new());
    segments.change(|list| {
        // One of the same name is replaced by the file itself.
        let is_covered =
            |old: &KeyRun| run.first <= old.first && old.end <= run.end && old.name() != run.name();
        let covered = list.key_runs.iter().filter(|old| is_covered(old));
        let mut names: Vec<FileName> = covered.map(|old| old.name()).collect();
        list.key_runs
            .retain(|old| old.end <= run.first || run.end <= old.first);
        if run.end > list.start_offset {
            let at = list.key_runs.partition_point(|old| old.first < run.first);
            list.key_runs.insert(at, Arc::clone(&run));
        } else {
            // All of the run was trimmed meanwhile.
            names.push(run.name());
        }
        replaced.set(names);
    });
    remove(segments, replaced.into_inner());
}

/// Forgets key runs that turned out to be damaged, or to be of other segments, so that they are
/// made again.
fn drop_unusable(segments: &Segments) {
    let list = segments.list();
    let unusable: Vec<FileName> = list
        .key_runs
        .iter()
        .filter(|run| run.is_unusable())
        .map(|run| run.name())
        .collect();
    if !unusable.is_empty() {
        segments.change(|list| list.key_runs.retain(|run| !run.is_unusable()));
        remove(segments, unusable);
    }
}

fn remove(segments: &Segments, names: Vec<FileName>) {
    let directory = &segments.directory;
    for name in names {
        // The next open removes the file if that fails now.
        segments
            .teller
            .note_failure(Job::Removal, directory.remove(&name));
    }
}
