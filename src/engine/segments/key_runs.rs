//! Finding a key among thousands of segments: runs of 16 segments have a file together that says which key hashes they
//! have and where each was last; 16 such runs become one of the next level, and so on. So a lookup asks at most 15
//! files of each level and 15 segments, and the number of levels grows with the logarithm of the number of segments
//! (the idea is that of log-structured merge trees, O'Neil et al., 1996).
//!
//! The files are derived. What is removed from segments stays in them, and costs a look at the segments; nothing is
//! ever added to sealed segments, so a hash that is not in a run is in none of its segments.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::reader::Reader;
use crate::directory::{Directory, create_anew};
use crate::engine::shared::Shared;
use crate::engine::upkeep::Background;
use crate::format::{FileName, Previous, RUN_HEADER_LEN, RunHeader, checksum};
use crate::index::{KeyRunFile, key_hash, newest_of_each, run_entry};
use crate::segment::SegmentRef;
use crate::sys::{File, Open, found};
use crate::{Error, Result};

/// Segments in a run of the first level, and runs in one of the next.
const FAN: usize = 16;
/// Entries gathered at a time, each of 8 bytes: with more messages than these, their keys are read as many times, a
/// range of hashes each time. At most twice as many are in memory.
const ENTRIES_MAX: usize = if cfg!(test) { 64 } else { 1 << 22 };
/// Bytes written at a time.
const WRITE_LEN: usize = 64 << 10;

/// A key run as the list of segments knows it. Its file is opened when it is first asked.
#[derive(Debug)]
pub(crate) struct KeyRun {
    pub(crate) first: u64,
    /// Exclusive.
    pub(crate) end: u64,
    pub(crate) level: u8,
    opened: OnceLock<Option<KeyRunFile>>,
}

impl KeyRun {
    fn new(first: u64, end: u64, level: u8) -> KeyRun {
        KeyRun {
            first,
            end,
            level,
            opened: OnceLock::new(),
        }
    }

    fn name(&self) -> FileName {
        FileName::Keys {
            first: self.first,
            end: self.end,
            level: self.level,
        }
    }

    /// The file, if it is whole and of the segments that are there; `link` tells how the last of them is known.
    fn get(
        &self,
        directory: &Directory,
        link: impl FnOnce() -> Result<Previous>,
    ) -> Result<Option<&KeyRunFile>> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.as_ref());
        }
        let run = match open(directory, &self.name())? {
            Some(run) if run.header().last == link()? => Some(run),
            _ => None,
        };
        Ok(self.opened.get_or_init(|| run).as_ref())
    }
}

/// Opens a key run's file; `None` if it cannot be used.
fn open(directory: &Directory, name: &FileName) -> Result<Option<KeyRunFile>> {
    let Some(file) = found(directory.storage.open(&directory.path_of(name), Open::Read))? else {
        return Ok(None);
    };
    let len = file.len()?;
    if len < RUN_HEADER_LEN as u64 {
        return Ok(None);
    }
    let FileName::Keys { first, end, .. } = *name else {
        return Ok(None);
    };
    let run = KeyRunFile::open(file.map(len, false)?).ok();
    Ok(run.filter(|run| {
        let header = run.header();
        header.log_id == directory.log_id && (header.first, header.end) == (first, end)
    }))
}

/// The runs whose files are in the directory, in order and without those that others cover; and the names of the rest.
pub(crate) fn runs_among(names: &[String], start_offset: u64) -> (Vec<Arc<KeyRun>>, Vec<FileName>) {
    let mut found: Vec<KeyRun> = names
        .iter()
        .filter_map(|name| match FileName::parse(name) {
            Some(FileName::Keys { first, end, level }) => Some(KeyRun::new(first, end, level)),
            _ => None,
        })
        .collect();
    found.sort_unstable_by_key(|run| (run.first, std::cmp::Reverse(run.end)));
    let (mut kept, mut rest): (Vec<Arc<KeyRun>>, Vec<FileName>) = (Vec::new(), Vec::new());
    for run in found {
        let is_covered = kept.last().is_some_and(|last| run.first < last.end);
        if is_covered || run.end <= start_offset || run.first >= run.end {
            rest.push(run.name());
        } else {
            kept.push(Arc::new(run));
        }
    }
    (kept, rest)
}

/// The key runs among the files of a log that are damaged.
pub(crate) fn damaged_runs(directory: &Directory) -> Result<Vec<std::path::PathBuf>> {
    let mut damaged = Vec::new();
    for name in directory.storage.list(&directory.path)? {
        if let Some(name @ FileName::Keys { .. }) = FileName::parse(&name)
            && open(directory, &name)?.is_none()
        {
            damaged.push(directory.path_of(&name));
        }
    }
    damaged.sort_unstable();
    Ok(damaged)
}

/// What a run knows of a key.
pub(crate) enum Known {
    /// No message in its segments has it.
    Absent,
    /// If any has it, this is the newest offset that it may have.
    At(u64),
    /// The segments have to be asked.
    Nothing,
}

impl Reader<'_> {
    /// The run that ends where the part with this index does, and has no part in part only.
    pub(crate) fn run_ending_with(&self, index: usize) -> Option<&Arc<KeyRun>> {
        let list = self.list();
        let end = list.segments.get(index + 1).map(SegmentRef::base)?;
        let at = list.runs.binary_search_by_key(&end, |run| run.end).ok()?;
        let base = list.segments.get(index).map(SegmentRef::base)?;
        list.runs.get(at).filter(|run| run.first <= base)
    }

    /// The run that the part with this index is in as a whole, and that ends where a part does.
    pub(crate) fn run_with(&self, index: usize) -> Option<&Arc<KeyRun>> {
        let list = self.list();
        let segment = list.segments.get(index)?;
        let run = list
            .runs
            .get(list.runs.partition_point(|run| run.end <= segment.base()))?;
        let is_inside = run.first <= segment.base() && self.end_of(segment) <= run.end;
        let ends = list
            .segments
            .binary_search_by_key(&run.end, SegmentRef::base)
            .is_ok();
        (is_inside && ends).then_some(run)
    }

    /// What a run of whole parts knows of a key hash.
    pub(crate) fn ask(&self, run: &KeyRun, hash: u32) -> Result<Known> {
        let shared = self.shared();
        let last = self.list().index_at(run.end - 1);
        let Some(SegmentRef::Sealed(last)) = self.list().segments.get(last) else {
            // Recovery has not done with it yet.
            return Ok(Known::Nothing);
        };
        Ok(match run.get(&shared.directory, || Ok(last.link()?.0))? {
            None => Known::Nothing,
            Some(keys) => keys.find(hash).map_or(Known::Absent, Known::At),
        })
    }
}

impl Shared {
    /// Makes the runs that there are segments for; where there is a background thread, on that, one after the other so
    /// that nothing has to wait for more than one.
    pub(crate) fn build_runs_soon(self: &Arc<Shared>) {
        let list = self.list.load();
        let covered = list.runs.last().map_or(0, |run| run.end);
        let sealed = list.segments.len() - list.index_at(covered).min(list.segments.len());
        if self.directory.kinds.key && !self.options.read_only && sealed > FAN {
            if self.background.is_some() {
                self.build_next_run_soon();
            } else {
                while self.build_next_run() {}
            }
        }
    }

    fn build_next_run_soon(self: &Arc<Shared>) {
        self.in_background(|shared| {
            if shared.build_next_run() {
                shared.build_next_run_soon();
            }
        });
    }

    /// Makes one run, if there are segments for one; whether there may be more to do. Without runs everything is found
    /// all the same.
    fn build_next_run(&self) -> bool {
        let unfit = self.without_run.lock().len();
        match self.try_build_run() {
            Ok(is_made) => is_made,
            // On without what turned out to be damaged, or to have too large a gap; else whoever seals the next segment
            // comes back.
            Err(_) => self.without_run.lock().len() > unfit,
        }
    }

    fn try_build_run(&self) -> Result<bool> {
        // Not while segments are rewritten; whoever seals the next one comes back.
        let Some(_no_removal) = self.removal.try_lock() else {
            return Ok(false);
        };
        if self.is_space_short() {
            return Ok(false);
        }
        self.drop_unusable();
        let reader = Reader::new(self)?;
        let made = match self.next_of_segments(&reader)? {
            Some(run) => Some(run),
            None => self.next_of_runs(&reader)?,
        };
        let Some(run) = made.map(Arc::new) else {
            return Ok(false);
        };
        let replaced: Vec<FileName> = reader
            .list()
            .runs
            .iter()
            .filter(|old| run.first <= old.first && old.end <= run.end)
            .map(|old| old.name())
            .collect();
        self.change_list(|list| {
            list.runs
                .retain(|old| old.end <= run.first || run.end <= old.first);
            let at = list.runs.partition_point(|old| old.first < run.first);
            list.runs.insert(at, Arc::clone(&run));
        });
        for name in replaced {
            // If it cannot be removed now, the next open does.
            let _ = self.directory.storage.remove(&self.directory.path_of(&name));
        }
        Ok(true)
    }

    /// Forgets runs that turned out to be damaged, or of other segments, so that they are made anew.
    fn drop_unusable(&self) {
        let is_unusable = |run: &Arc<KeyRun>| matches!(run.opened.get(), Some(None));
        let list = self.list.load();
        for run in list.runs.iter().filter(|run| is_unusable(run)) {
            self.change_list(|list| list.runs.retain(|held| !Arc::ptr_eq(held, run)));
            let _ = self
                .directory
                .storage
                .remove(&self.directory.path_of(&run.name()));
        }
    }

    /// Makes the run of the first 16 sealed segments side by side that are in none and can be.
    fn next_of_segments(&self, reader: &Reader<'_>) -> Result<Option<KeyRun>> {
        let list = reader.list();
        // Segments are not always sealed in their order: a run behind one that is not would leave too few before it
        // for another.
        let is_sealed = |segment: &SegmentRef| matches!(segment, SegmentRef::Sealed(_));
        let sealed_count = list
            .segments
            .iter()
            .take_while(|segment| is_sealed(segment))
            .count();
        // The last one may be taken up again.
        let sealed = &list.segments[..sealed_count.min(list.segments.len().saturating_sub(1))];
        let without_run = self.without_run.lock().clone();
        let is_free = |segment: &SegmentRef| {
            let at = list.runs.partition_point(|run| run.end <= segment.base());
            let is_in_run = list
                .runs
                .get(at)
                .is_some_and(|run| run.first < reader.end_of(segment));
            !is_in_run && !without_run.contains(&segment.base())
        };
        let mut from = 0;
        for (at, segment) in sealed.iter().enumerate() {
            if !is_free(segment) {
                from = at + 1;
            }
            if at + 1 - from == FAN {
                return self.run_of_segments(reader, &sealed[from..=at]).map(Some);
            }
        }
        Ok(None)
    }

    fn run_of_segments(&self, reader: &Reader<'_>, segments: &[SegmentRef]) -> Result<KeyRun> {
        let (Some(first), Some(SegmentRef::Sealed(last))) =
            (segments.first().map(SegmentRef::base), segments.last())
        else {
            return Err(Error::Invalid("a run of no segments"));
        };
        let end = reader.end_of(&SegmentRef::Sealed(Arc::clone(last)));
        let run = KeyRun::new(first, end, 1);
        let mut writer = KeyRunWriter::create(&self.directory, &run)?;
        let mut records = 0;
        for segment in segments {
            records += self.or_without_run(
                segment,
                reader.read(segment, |opened| Ok(opened.count() as usize)),
            )?;
        }
        let hashes_each = (1 << 32_u64) / records.div_ceil(ENTRIES_MAX).max(1) as u64 + 1;
        let mut from = 0;
        while from < 1 << 32 {
            let hashes = from..from + hashes_each;
            let mut entries = Entries::default();
            for segment in segments {
                self.or_without_run(segment, entries.add(reader, segment, first, &hashes))?;
            }
            let entries = entries.finish();
            entries.into_iter().try_for_each(|entry| writer.push(entry))?;
            from += hashes_each;
        }
        writer.finish(&self.directory, &run, last.link()?.0)?;
        Ok(run)
    }

    /// Has a part in no run, as long as this handle lives, if `result` says that it cannot be.
    fn or_without_run<T>(&self, segment: &SegmentRef, result: Result<T>) -> Result<T> {
        if matches!(result, Err(Error::Corrupt { .. } | Error::TooLarge)) {
            self.without_run.lock().push(segment.base());
        }
        result
    }

    /// Makes one run of the first 16 side by side that have the same level.
    fn next_of_runs(&self, reader: &Reader<'_>) -> Result<Option<KeyRun>> {
        let runs = &reader.list().runs;
        for runs in runs.windows(FAN) {
            let is_one = runs
                .windows(2)
                .all(|pair| pair[0].end == pair[1].first && pair[0].level == pair[1].level);
            let [first, .., last] = runs else { continue };
            if is_one && u32::try_from(last.end - first.first).is_ok() {
                return self.run_of_runs(runs).map(Some);
            }
        }
        Ok(None)
    }

    fn run_of_runs(&self, runs: &[Arc<KeyRun>]) -> Result<KeyRun> {
        let [first, .., last] = runs else {
            return Err(Error::Invalid("a run of no runs"));
        };
        let damaged = || Error::Invalid("a key run is damaged");
        let open = |run: &Arc<KeyRun>| open(&self.directory, &run.name())?.ok_or_else(damaged);
        let sources: Vec<KeyRunFile> = runs.iter().map(open).collect::<Result<_>>()?;
        let level = first.level.checked_add(1).ok_or_else(damaged)?;
        let run = KeyRun::new(first.first, last.end, level);
        let mut writer = KeyRunWriter::create(&self.directory, &run)?;
        let mut at = vec![0_u32; sources.len()];
        let mut written = 0_u32;
        // Of each hash the entry of the last run that has it.
        loop {
            let heads = sources.iter().zip(&at).map(|(source, at)| source.entry(*at));
            let Some(hash) = heads.flatten().map(|entry| entry >> 32).min() else {
                break;
            };
            let mut newest = 0;
            for (source, at) in sources.iter().zip(&mut at) {
                if let Some(entry) = source.entry(*at).filter(|entry| entry >> 32 == hash) {
                    let moved = source.header().first - run.first;
                    newest = entry.checked_add(moved).ok_or_else(damaged)?;
                    *at += 1;
                }
            }
            writer.push(newest)?;
            written += 1;
            if written.is_multiple_of(4096) {
                Background::pause_for_syncs();
            }
        }
        let link = sources
            .last()
            .map(|source| source.header().last)
            .ok_or_else(damaged)?;
        writer.finish(&self.directory, &run, link)?;
        Ok(run)
    }

    /// Forgets the runs below the start offset; returns the names of their files.
    pub(crate) fn drop_runs(&self, start_offset: u64) -> Vec<FileName> {
        let list = self.list.load();
        let gone = list.runs.iter().filter(|run| run.end <= start_offset);
        let names: Vec<FileName> = gone.map(|run| run.name()).collect();
        self.change_list(|list| list.runs.retain(|run| run.end > start_offset));
        names
    }
}

/// Entries of a run that is being made.
#[derive(Default)]
struct Entries {
    all: Vec<u64>,
    /// How many there may be before those that are not the newest of their hash are dropped.
    crowded_at: usize,
}

impl Entries {
    /// Adds those of a part whose hash is among `hashes`, in a run that begins at the offset `first`.
    fn add(
        &mut self,
        reader: &Reader<'_>,
        segment: &SegmentRef,
        first: u64,
        hashes: &Range<u64>,
    ) -> Result<()> {
        reader.read(segment, |opened| {
            let mut frame = Vec::new();
            for ordinal in 0..opened.count() {
                if ordinal % 4096 == 0 {
                    Background::pause_for_syncs();
                }
                let offset = opened.offset(ordinal)?;
                if let Some(key) = opened.key_of(ordinal, offset, &mut frame)? {
                    let relative = u32::try_from(offset - first).map_err(|_| Error::TooLarge)?;
                    let hash = key_hash(key);
                    if hashes.contains(&u64::from(hash)) {
                        self.push(run_entry(hash, relative));
                    }
                }
            }
            Ok(())
        })
    }

    fn push(&mut self, entry: u64) {
        if self.all.len() >= self.crowded_at {
            newest_of_each(&mut self.all);
            self.crowded_at = ENTRIES_MAX.max(2 * self.all.len());
        }
        self.all.push(entry);
    }

    fn finish(mut self) -> Vec<u64> {
        newest_of_each(&mut self.all);
        self.all
    }
}

/// Writes a key run's file under a temporary name. It is derived: a crash may lose it.
struct KeyRunWriter {
    file: File,
    buffer: Vec<u8>,
    position: u64,
    count: u32,
    checksum: u32,
}

impl KeyRunWriter {
    fn create(directory: &Directory, run: &KeyRun) -> Result<KeyRunWriter> {
        let path = directory.path_of(&FileName::KeysTemporary { first: run.first });
        Ok(KeyRunWriter {
            file: create_anew(directory, &path)?,
            buffer: Vec::with_capacity(WRITE_LEN),
            position: RUN_HEADER_LEN as u64,
            count: 0,
            checksum: 0,
        })
    }

    fn push(&mut self, entry: u64) -> Result<()> {
        self.buffer.extend_from_slice(&entry.to_le_bytes());
        self.count += 1;
        if self.buffer.len() >= WRITE_LEN {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.checksum = checksum(self.checksum, &self.buffer);
        self.file.write_at(self.position, &self.buffer)?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self, directory: &Directory, run: &KeyRun, last: Previous) -> Result<()> {
        self.flush()?;
        let header = RunHeader {
            log_id: directory.log_id,
            first: run.first,
            end: run.end,
            last,
            count: self.count,
            checksum: self.checksum,
        };
        self.file.write_at(0, &header.encode())?;
        self.file.sync()?;
        let _hold = directory.replacing.lock();
        if !directory.is_writable() {
            return Err(Error::Closed);
        }
        directory
            .storage
            .rename(self.file.path(), &directory.path_of(&run.name()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::Options;
    use crate::{FileLog, Log as _, NewMessage};

    const MESSAGES: u32 = 1_000;
    const KEYS: u32 = 300;

    fn options() -> Options {
        // Runs are made by the call that finds segments for them.
        Options::new().create_dirs(true).rollover(1024).background(false)
    }

    fn key(number: u32) -> [u8; 4] {
        (number % KEYS).to_le_bytes()
    }

    fn publish(log: &FileLog) {
        for number in 0..MESSAGES {
            log.publish(&[NewMessage::new(&key(number), &number.to_le_bytes())])
                .expect("published");
        }
    }

    /// The files of a kind, in order.
    fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
        let mut paths: Vec<_> = std::fs::read_dir(dir)
            .expect("listed")
            .map(|entry| entry.expect("listed").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == kind))
            .collect();
        paths.sort();
        paths
    }

    /// With more messages than are gathered at a time, in several passes.
    #[test]
    fn a_run_of_many_messages_has_the_newest_of_each_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = options().key_index(true).open(dir.path()).expect("a log");
        publish(&log);
        assert!(!files(dir.path(), "keys").is_empty());
        for number in MESSAGES - KEYS..MESSAGES {
            assert_eq!(log.offset_by_key(&key(number)).expect("there"), u64::from(number));
        }
        assert!(matches!(log.get_by_key(b"none"), Err(Error::NotFound)));
    }

    /// A segment that cannot be read is in no run, and keeps no other from being in one.
    #[test]
    fn a_damaged_segment_is_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = options().open(dir.path()).expect("a log");
        publish(&log);
        log.close().expect("closed");
        let paths = files(dir.path(), "log");
        let mut bytes = std::fs::read(&paths[5]).expect("read");
        bytes[500] ^= 1;
        std::fs::write(&paths[5], bytes).expect("written");

        let log = options().key_index(true).open(dir.path()).expect("a log");
        let others = paths.len() - 1 - 6;
        assert_eq!(files(dir.path(), "keys").len(), others / FAN);
        for number in MESSAGES - KEYS..MESSAGES {
            assert_eq!(log.offset_by_key(&key(number)).expect("there"), u64::from(number));
        }
    }
}
