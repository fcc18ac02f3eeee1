use std::sync::Arc;

use super::batch::BatchPlan;
use super::framing::{Framing, Records};
use super::staged::Staged;
use super::waiting::Backlog;
use crate::control::Guard;
use crate::format::{BatchHeader, LONE_HEADER_LEN, Previous};
use crate::segment::{Active, Seal, Visible, Way};
use crate::sys::is_out_of_space;
use crate::{Ack, Error, NewMessage, Place, Result, Timestamp};

/// The state of the one thread that appends.
#[derive(Debug, Default)]
pub(crate) struct Appender {
    /// The segment being appended to. If there is none, the next publish begins or reopens one.
    pub(crate) active: Option<Arc<Active>>,
    /// The records in the active segment, and where their frames end: readers never see more.
    pub(crate) written: Visible,
    pub(crate) last_checksum: u32,
    /// The latest time by the clock in the active segment, the earliest time there is if no message
    /// has such a time; `None` if it is not known.
    pub(crate) clock_max: Option<i64>,
    /// The offset that the next message gets.
    pub(crate) next_offset: u64,
    /// The link to the last segment, while there is no active one.
    pub(crate) previous: Option<Previous>,
    /// Whether the metadata on disk still says that the log was closed.
    pub(crate) is_marked_clean: bool,
    /// Whether upkeep was asked for the file of the next segment.
    pub(crate) is_next_requested: bool,
    /// Segments left behind that are not known to be durable, oldest first.
    pub(crate) unsynced: Vec<Arc<Active>>,
    /// The bytes that are not on stable storage.
    pub(crate) backlog: Backlog,
    pub(crate) staging: Vec<u8>,
    /// Decides what is published.
    pub(crate) guard: Guard,
}

/// Why there is no space that was reserved.
const CUT: &str = "reserved space is gone: somebody has cut a file of the log";

impl Appender {
    /// Builds the frames of a batch, brings them into the file and the records into the index;
    /// returns the last checksum. After [`Error::Io`] nothing has changed.
    #[inline]
    pub(super) fn build(
        &mut self,
        records: Records<'_>,
        plan: &BatchPlan,
        now: Timestamp,
        way: Way,
        hash_keys: bool,
    ) -> Result<u32> {
        // make_room has reserved the space. If it is gone, somebody has cut the file.
        let Some(active) = self.active.as_deref() else {
            return Err(Error::poisoned("there is no segment to append to"));
        };
        let framing = Framing {
            active,
            records,
            plan,
            now,
            offset: self.next_offset,
            position: self.written.end,
            hash_keys,
        };
        match way {
            Way::Mapping => {
                let Some(mut window) = active.window(u64::from(self.written.end), plan.len) else {
                    return Err(Error::poisoned(CUT));
                };
                let sum = framing.put(&mut window, true);
                window.finish().then_some(sum).ok_or_else(|| Error::poisoned(CUT))
            }
            Way::Call => {
                let (staging, stored) = Staged::write(&framing, std::mem::take(&mut self.staging));
                self.staging = staging;
                stored
            }
        }
    }

    /// Has the guard take note of the times of a batch that was written; returns the batch's ack.
    #[inline]
    pub(super) fn note_times(&mut self, records: Records<'_>, plan: &BatchPlan, now: Timestamp) -> Ack {
        let time = |record: Option<&NewMessage<'_>>| record.and_then(|record| record.time).unwrap_or(now);
        let (first, last) = (time(records.all.first()), time(records.all.last()));
        let max = if plan.is_timed {
            plan.time_max
        } else {
            plan.time_max.max(now.as_micros())
        };
        self.guard.note_times(last.as_micros(), max);
        let start = Place {
            offset: self.next_offset,
            time: first,
        };
        let end = Place {
            offset: self.next_offset + u64::from(plan.count),
            time: last,
        };
        Ack::new(start, end, end)
    }

    /// The seal that the active segment gets if nothing more is appended to it.
    pub(crate) fn seal(&self) -> Seal {
        Seal {
            len: self.written.end,
            last_checksum: self.last_checksum,
        }
    }

    /// Makes `active` the segment to append to.
    pub(crate) fn begin(&mut self, active: &Arc<Active>, count: u32, end: u32, last_checksum: u32) {
        self.written.count = count;
        self.backlog.segment_before = u64::from(self.written.end);
        self.written.end = end;
        self.last_checksum = last_checksum;
        self.clock_max = (count == 0).then_some(i64::MIN);
        self.previous = None;
        self.active = Some(Arc::clone(active));
    }

    /// The link to the last segment, for the header of the next one.
    pub(super) fn link_of_last(&self) -> Option<Previous> {
        match &self.active {
            Some(active) => Some(active.link(self.written.end, self.last_checksum)),
            None => self.previous,
        }
    }

    /// Whether every batch in the active segment is durable. Such a segment is not synced again: if
    /// that sync failed, the marker at the end would still tell the next life that no sync of this
    /// file has failed.
    pub(super) fn is_all_durable(&self, active: &Active) -> bool {
        active.frontier() == self.written.end
    }

    /// Whether an earlier life left a segment that has to be copied before it is durable.
    pub(super) fn needs_copies(&self) -> bool {
        let needs_copy = |segment: &Arc<Active>| segment.needs_copy();
        self.active.iter().chain(&self.unsynced).any(needs_copy)
    }

    /// Whether the process may write `len` bytes behind the end. Asked before any of a batch is
    /// written: a limit that refuses the batch would refuse to take it back as well.
    pub(super) fn check_size_limit(&self, len: u64) -> Result<()> {
        let end = u64::from(self.written.end) + len;
        self.active
            .as_ref()
            .map_or(Ok(()), |active| active.check_size_limit(end))
    }

    /// Takes back what a failed write may have written of a batch, so that nobody takes it for one
    /// that was published. By a call: on a disk that fails, a store would kill the process.
    ///
    /// Where files are copied on write, a full disk has no space for that either. Then the file is
    /// cut. Where its last batch is not durable, a byte of what was written stays: a file that ends
    /// with its last batch tells readers that the batch is durable.
    pub(super) fn withdraw(&mut self) -> Result<()> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        let is_durable = self.is_all_durable(active);
        let overwritten = if is_durable {
            self.put_marker()
        } else {
            self.check_size_limit(LONE_HEADER_LEN as u64)
                .and_then(|()| active.write(u64::from(self.written.end), &[0; LONE_HEADER_LEN]))
        };
        match overwritten {
            Err(error) if is_out_of_space(&error) => {
                active.cut_back(u64::from(self.written.end) + u64::from(!is_durable))
            }
            other => other,
        }
    }

    /// Writes a marker over the bytes behind the end; it says up to where the log is durable. The
    /// next batch overwrites the marker in turn. From the marker, recovery knows that the last
    /// batch was acknowledged.
    ///
    /// Returns false if there is no space for the marker, or it cannot be written. The next segment
    /// will say the same.
    pub(super) fn mark_end(&self) -> bool {
        self.put_marker().is_ok()
    }

    fn put_marker(&self) -> Result<()> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "less than the segment's count of offsets"
        )]
        let first = (self.next_offset - active.header.base) as u32;
        let marker = BatchHeader {
            checksum: 0,
            count: 0,
            len: 0,
            first,
            frontier: active.frontier(),
            has_producer: false,
        };
        let marker = marker.encode(active.seeds.batch(u64::from(self.written.end)));
        self.check_size_limit(marker.len() as u64)?;
        active.write(u64::from(self.written.end), &marker)
    }
}
