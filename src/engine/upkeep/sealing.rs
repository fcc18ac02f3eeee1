use std::sync::Arc;

use super::progress::Progress;
use crate::engine::append::Append;
use crate::engine::remove::Space;
use crate::engine::segments::Segments;
use crate::segment::{Active, IndexBuild, Seal, Sealed, SegmentEnd, SegmentRef, SyncProgress};
use crate::{Event, Result};

/// How many records a step adds to an index: that takes a fraction of a millisecond.
const RECORDS_EACH: usize = 4096;

/// A segment that was left behind, on its way to be sealed: it is synced, cut to its end, and gets
/// an index file.
#[derive(Debug)]
pub(super) struct Sealing {
    left: Arc<Active>,
    seal: Seal,
    stage: Stage,
    is_begun: bool,
}

#[derive(Debug)]
enum Stage {
    Sync(SyncProgress),
    Cut,
    Index(Box<IndexBuild>),
}

impl Sealing {
    pub(super) fn new(left: Arc<Active>, seal: Seal) -> Sealing {
        Sealing {
            left,
            seal,
            stage: Stage::Sync(SyncProgress::in_steps()),
            is_begun: false,
        }
    }

    pub(super) fn left(&self) -> &Arc<Active> {
        &self.left
    }

    /// Whether a step has been done.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// The sealing of a segment that is on stable storage already.
    pub(super) fn of_synced(left: Arc<Active>, seal: Seal) -> Sealing {
        Sealing {
            stage: Stage::Cut,
            ..Sealing::new(left, seal)
        }
    }

    /// Does all that is left to do.
    pub(super) fn finish(mut self, append: &Append, segments: &Segments, space: &Arc<Space>) -> Result<()> {
        while self.step(append, segments, space, usize::MAX)? == Progress::More {}
        Ok(())
    }

    /// Does a step of a few milliseconds.
    ///
    /// A failed sync poisons the log. After any other failure the segment stays as it is; closing
    /// the log, or the next open, seals it.
    pub(super) fn resume(
        &mut self,
        append: &Append,
        segments: &Segments,
        space: &Arc<Space>,
    ) -> Result<Progress> {
        self.is_begun = true;
        self.step(append, segments, space, RECORDS_EACH)
    }

    fn step(
        &mut self,
        append: &Append,
        segments: &Segments,
        space: &Arc<Space>,
        records_max: usize,
    ) -> Result<Progress> {
        match &mut self.stage {
            Stage::Sync(progress) => {
                if !segments.has_active(&self.left) {
                    // It was trimmed.
                    return Ok(Progress::Done);
                }
                // A segment that has to be copied takes space.
                let _lease = self.left.needs_copy().then(|| space.lease_anyway());
                if self.left.sync_step(&segments.directory, progress)? {
                    append.note_synced(&self.left);
                    self.stage = Stage::Cut;
                }
                Ok(Progress::More)
            }
            Stage::Cut => self.cut(segments, space),
            Stage::Index(build) => {
                let hash_keys = segments.directory.kinds.key;
                let walk = self.left.walk(u64::from(self.seal.len), hash_keys);
                if !build.resume(&walk, records_max) {
                    return Ok(Progress::More);
                }
                let build = std::mem::replace(&mut self.stage, Stage::Cut);
                let Stage::Index(build) = build else {
                    return Ok(Progress::Done);
                };
                self.install(*build, segments, space)
            }
        }
    }

    /// Gives back the space behind the end.
    fn cut(&mut self, segments: &Segments, space: &Space) -> Result<Progress> {
        let _not_while_replacing = segments.lock_replacing();
        let may_write = segments.directory.health.may_write_files();
        if !may_write || !segments.has_active(&self.left) {
            // The log was closed, or the segment trimmed or rewritten meanwhile.
            return Ok(Progress::Done);
        }
        self.left.truncate(u64::from(self.seal.len))?;
        if space.is_short() {
            return Ok(Progress::Done);
        }
        let hash_keys = segments.directory.kinds.key;
        let walk = self.left.walk(u64::from(self.seal.len), hash_keys);
        self.stage = Stage::Index(Box::new(IndexBuild::begin(&segments.directory, &walk)));
        Ok(Progress::More)
    }

    /// Writes the index file, and lets readers use it from now on.
    fn install(&self, build: IndexBuild, segments: &Segments, space: &Arc<Space>) -> Result<Progress> {
        let Some(_lease) = space.lease() else {
            return Ok(Progress::Done);
        };
        let _not_while_replacing = segments.lock_replacing();
        if segments.has_active(&self.left) {
            let header = &self.left.header;
            build.write(&segments.directory, header, self.seal)?;
            let link = self.left.link(self.seal.len, self.seal.last_checksum);
            let directory = Arc::clone(&segments.directory);
            let sealed = Sealed::new(directory, header.base, SegmentEnd::Known(link));
            segments.replace(&SegmentRef::Sealed(Arc::new(sealed)));
            segments.teller.note(|| Event::Sealed {
                base: header.base,
                bytes: u64::from(self.seal.len),
            });
            segments.show();
        }
        Ok(Progress::Done)
    }
}
