//! Finding messages by key: through key runs among many segments, then through the segments'
//! indexes.

use std::sync::Arc;

use super::reader::{Reader, message};
use crate::index::key_hash;
use crate::segment::{Active, KeyRun, Owned, READ_LEN_MAX, ReadFault, SegmentRef, SegmentSnapshot, Visible};
use crate::{Batch, Error, IndexKind, Message, Result, Start};

/// How many links of a key's chain are followed at most: beyond that, going through the messages
/// themselves is cheaper.
const CHAIN_WALK_MAX: usize = 4096;

/// The last message with `key` in one segment.
fn newest_in(opened: &SegmentSnapshot<'_>, key: &[u8], hash: u32) -> Result<Option<Message>, ReadFault> {
    for ordinal in opened.candidates(hash) {
        // The message is read and verified even if its key looks like another: that may be damage.
        let message = message(opened, ordinal?)?;
        if let Some(message) = message.filter(|found| found.key.as_deref() == Some(key)) {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// What a key run knows about a key.
enum Known {
    /// No message in the run's segments has the key.
    Absent,
    /// The message at this offset may have the key; none behind it in the run's segments has.
    At(u64),
    /// The run does not say: the segments have to be searched.
    Nothing,
}

impl Reader<'_> {
    /// Up to `max_count` messages with `key` from `from` on.
    pub(crate) fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        if !self.segments.directory.kinds.key {
            return Err(self.segments.directory.no_index(IndexKind::Key));
        }
        let offset = self.resolve(from)?;
        if max_count == 0 {
            return Ok(Batch {
                messages: Vec::new(),
                next_offset: offset,
            });
        }
        let hash = key_hash(key);
        let mut found = Found::new(max_count, 0);
        let mut index = self.list.index_at(offset);
        let mut asked_up_to = 0;
        while let Some(segment) = self.list.segments.get(index)
            && !found.is_enough()
        {
            if segment.base() >= asked_up_to
                && let Some(run) = self.run_with(index)
            {
                asked_up_to = run.end;
                if let Known::Absent = self.ask(run, hash)? {
                    index = self
                        .list
                        .segments
                        .partition_point(|segment| segment.base() < run.end);
                    continue;
                }
            }
            index += 1;
            let more = self.read(segment, |opened| {
                let (from, _) = opened.find(offset)?;
                let more = Found::new(max_count - found.messages.len(), found.len);
                match chain(opened, key, hash, from, more.count_max)? {
                    Some(ordinals) => more.with(opened, key, &ordinals),
                    None => more.with_those_of(opened, key, from),
                }
            });
            match more {
                // The call that goes on behind these messages reports the damage.
                Err(Error::Corrupt { .. }) if !found.messages.is_empty() => break,
                more => found.append(more?),
            }
        }
        let next_offset = match found.messages.last() {
            Some(last) => last.offset + 1,
            None => self.next_offset.max(offset),
        };
        Ok(Batch {
            messages: found.messages,
            next_offset,
        })
    }

    /// The last message with `key`.
    pub(crate) fn newest_by_key(&self, key: &[u8]) -> Result<Message> {
        if !self.segments.directory.kinds.key {
            return Err(self.segments.directory.no_index(IndexKind::Key));
        }
        let hash = key_hash(key);
        let mut left = self.list.segments.len();
        while let Some(index) = left.checked_sub(1) {
            let Some(segment) = self.list.segments.get(index) else {
                break;
            };
            left = index;
            if let Some(run) = self.run_ending_with(index) {
                match self.ask(run, hash)? {
                    Known::Absent => {
                        left = self
                            .list
                            .segments
                            .partition_point(|segment| segment.base() < run.first);
                        continue;
                    }
                    Known::At(offset) => {
                        let found = self.in_log(offset)?;
                        if let Some(message) = found.filter(|found| found.key.as_deref() == Some(key)) {
                            return Ok(message);
                        }
                    }
                    Known::Nothing => {}
                }
            }
            let found = self.read(segment, |opened| newest_in(opened, key, hash))?;
            if let Some(message) = found {
                return if message.offset < self.list.start_offset {
                    Err(Error::NotFound)
                } else {
                    Ok(message)
                };
            }
        }
        Err(Error::NotFound)
    }

    /// The last message with `key` of all that are in the log, also those that readers do not see
    /// yet: `written` is the active segment, and how much was written to it.
    pub(crate) fn newest_written_by_key(
        &self,
        key: &[u8],
        written: Option<(&Arc<Active>, Visible)>,
    ) -> Result<Message> {
        if self.segments.directory.kinds.key
            && let Some((active, visible)) = written
        {
            let opened = SegmentSnapshot::Active { active, visible };
            let newest = newest_in(&opened, key, key_hash(key));
            let newest = newest.map_err(|fault| fault.into_error(active.file.path()))?;
            if let Some(message) = newest.filter(|message| message.offset >= self.list.start_offset) {
                return Ok(message);
            }
        }
        self.newest_by_key(key)
    }

    /// The key run that ends where the segment with this index ends, and covers all of that
    /// segment.
    fn run_ending_with(&self, index: usize) -> Option<&Arc<KeyRun>> {
        let list = self.list();
        let end = list.segments.get(index + 1).map(SegmentRef::base)?;
        let at = list.key_runs.binary_search_by_key(&end, |run| run.end).ok()?;
        let base = list.segments.get(index).map(SegmentRef::base)?;
        list.key_runs.get(at).filter(|run| run.first <= base)
    }

    /// The key run that covers all of the segment with this index, and ends where a segment ends.
    fn run_with(&self, index: usize) -> Option<&Arc<KeyRun>> {
        let list = self.list();
        let segment = list.segments.get(index)?;
        let run = list
            .key_runs
            .get(list.key_runs.partition_point(|run| run.end <= segment.base()))?;
        let is_inside = run.first <= segment.base() && self.end_offset_of(segment) <= run.end;
        let ends = list
            .segments
            .binary_search_by_key(&run.end, SegmentRef::base)
            .is_ok();
        (is_inside && ends).then_some(run)
    }

    /// What a key run that ends where a segment ends knows about a key hash.
    fn ask(&self, run: &KeyRun, hash: u32) -> Result<Known> {
        let last = self.list().index_at(run.end - 1);
        let Some(SegmentRef::Sealed(last)) = self.list().segments.get(last) else {
            // Recovery is not finished with this segment: it is not sealed yet.
            return Ok(Known::Nothing);
        };
        Ok(match run.keys(&self.segments.directory, || Ok(last.link()?.0))? {
            None => Known::Nothing,
            Some(keys) => keys.find(hash).map_or(Known::Absent, Known::At),
        })
    }
}

/// The first `wanted` records from `from` on that have `key`, in ascending order, found through the
/// key's chain; `None` if the chain is long.
fn chain(
    opened: &SegmentSnapshot<'_>,
    key: &[u8],
    hash: u32,
    from: u32,
    wanted: usize,
) -> Result<Option<Vec<u32>>, ReadFault> {
    let mut ordinals = Vec::new();
    for (followed, ordinal) in opened.candidates(hash).enumerate() {
        let ordinal = ordinal?;
        if followed >= CHAIN_WALK_MAX.max(wanted) {
            return Ok(None);
        }
        if ordinal >= from && opened.has_key(ordinal, key)? {
            ordinals.push(ordinal);
        }
    }
    ordinals.sort_unstable();
    ordinals.truncate(wanted);
    Ok(Some(ordinals))
}

/// The messages found for a batch. They are enough at `count_max` messages or [`READ_LEN_MAX`]
/// bytes.
struct Found {
    messages: Vec<Message>,
    count_max: usize,
    /// Bytes of memory that these messages and those found before them keep.
    len: u64,
    /// Whether a damaged record follows these messages.
    is_cut: bool,
}

impl Found {
    fn new(count_max: usize, len: u64) -> Found {
        Found {
            messages: Vec::new(),
            count_max,
            len,
            is_cut: false,
        }
    }

    fn is_enough(&self) -> bool {
        self.is_cut || self.messages.len() >= self.count_max || self.len >= u64::from(READ_LEN_MAX)
    }

    fn append(&mut self, mut more: Found) {
        self.messages.append(&mut more.messages);
        (self.len, self.is_cut) = (more.len, more.is_cut);
    }

    /// What was found in front of a damaged record, if anything was; otherwise the fault.
    fn in_front_of(mut self, fault: ReadFault) -> Result<Found, ReadFault> {
        self.is_cut = matches!(fault, ReadFault::Record { .. }) && !self.messages.is_empty();
        if self.is_cut { Ok(self) } else { Err(fault) }
    }

    /// Adds the messages with `key` among these records; reads each by itself.
    fn with(
        mut self,
        opened: &SegmentSnapshot<'_>,
        key: &[u8],
        ordinals: &[u32],
    ) -> Result<Found, ReadFault> {
        for ordinal in ordinals {
            if self.is_enough() {
                break;
            }
            match message(opened, *ordinal) {
                Ok(Some(message)) if message.key.as_deref() == Some(key) => {
                    self.len += message.as_new().content_size();
                    self.messages.push(message);
                }
                Ok(_) => {}
                Err(fault) => return self.in_front_of(fault),
            }
        }
        Ok(self)
    }

    /// Adds the messages with `key` from the record `from` on; looks at each record.
    fn with_those_of(
        mut self,
        opened: &SegmentSnapshot<'_>,
        key: &[u8],
        from: u32,
    ) -> Result<Found, ReadFault> {
        const AT_ONCE: u32 = 64;
        let (mut ordinal, mut read) = (from, Vec::new());
        while ordinal < opened.count() && !self.is_enough() {
            let end = match opened.messages(ordinal, AT_ONCE, &mut Owned::new(&mut read)) {
                Ok(end) => end,
                Err(fault) => return self.in_front_of(fault),
            };
            let before = self.messages.len();
            let matching = read
                .drain(..)
                .filter(|message| message.key.as_deref() == Some(key))
                .take(self.count_max - before);
            self.messages.extend(matching);
            if self.messages.len() > before {
                // Even one match keeps all bytes in memory that were read with it.
                self.len += u64::from(opened.position(end)?.saturating_sub(opened.position(ordinal)?));
            }
            ordinal = end;
        }
        Ok(self)
    }
}
