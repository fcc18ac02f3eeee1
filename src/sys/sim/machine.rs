use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::content::{Content, Data, PAGE};
use super::fault::{Errno, Faults, Lie};
use super::image::{Image, Inode};
use super::op::{Call, Op, Outcome};
use super::random::{Random, mix};
use crate::MappedFiles;

/// One running system.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) seed: u64,
    /// The id of this boot.
    pub(super) boot: [u8; 16],
    /// The contents of the medium when the system started.
    pub(super) base: Image,
    /// The files and directories that processes see.
    pub(super) seen: Image,
    /// All operations since the start.
    pub(super) ops: Vec<Op>,
    pub(super) locks: BTreeMap<Inode, Locks>,
    pub(super) faults: Faults,
    /// The lies, each with the text that a path must contain to be affected.
    pub(super) lies: Vec<(Lie, String)>,
    pub(super) limits: Limits,
    pub(super) counts: Counts,
    random: Random,
    inodes: Inode,
}

/// What the file system cannot do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// The most bytes that all files may take together.
    pub(super) space: Option<u64>,
    /// No more than these files may be mapped.
    pub(super) mapped: MappedFiles,
}

/// Counters since the system started.
#[derive(Debug, Default)]
pub(super) struct Counts {
    calls: [u64; Call::ALL.len()],
    /// Files and mappings that are open.
    pub(super) handles: usize,
    /// Stores to places that were not allocated. On a full disk, each would have killed the
    /// process.
    pub(super) stores_into_holes: u64,
    /// Bytes that were written and stored.
    pub(super) written: u64,
    pub(super) loads_from_holes: u64,
}

impl Counts {
    pub(super) fn calls(&self, call: Call) -> u64 {
        self.calls[call as usize]
    }
}

/// The locks on a directory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Locks {
    pub(super) exclusive: bool,
    pub(super) shared: u32,
}

/// How much of its work a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    All,
    Half,
}

impl Machine {
    /// A system that finds `base` on its medium.
    pub(super) fn start(base: Image, seed: u64) -> Machine {
        let inodes = base
            .files
            .keys()
            .chain(base.dirs.keys())
            .max()
            .map_or(0, |max| max + 1);
        Machine {
            seed,
            boot: Random::new(mix(seed, 5)).bits(),
            seen: base.clone(),
            base,
            ops: Vec::new(),
            locks: BTreeMap::new(),
            faults: Faults::default(),
            lies: Vec::new(),
            limits: Limits::default(),
            counts: Counts::default(),
            random: Random::new(seed),
            inodes,
        }
    }

    /// The same system after `point` operations, with every process killed. Unsynced changes are
    /// still only in its memory.
    pub(super) fn killed(&self, point: usize) -> Machine {
        // The new seed must differ from earlier ones, so that a new file never gets the random
        // bytes of an old one.
        let mut machine = Machine::start(self.base.clone(), mix(mix(self.seed, 3), point as u64));
        for op in &self.ops[..point.min(self.ops.len())] {
            machine.seen.apply(op);
            machine.ops.push(op.clone());
        }
        machine.inodes = self.inodes;
        machine.boot = self.boot;
        machine.lies.clone_from(&self.lies);
        machine.faults.clone_from(&self.faults);
        machine.limits = self.limits;
        machine
    }

    pub(super) fn random(&mut self) -> [u8; 16] {
        self.random.bits()
    }

    /// Counts a call, and returns its error if it fails.
    pub(super) fn call(&mut self, call: Call) -> io::Result<()> {
        self.meet(call).map(|_| ()).map_err(Errno::error)
    }

    fn meet(&mut self, call: Call) -> Result<Extent, Errno> {
        loop {
            self.counts.calls[call as usize] += 1;
            match self.faults.meet(call) {
                None => return Ok(Extent::All),
                Some(Errno::Short) => return Ok(Extent::Half),
                // The standard library retries after a signal, except in reads and writes at a
                // position.
                Some(Errno::Eintr) if call != Call::Read => {}
                Some(errno) => return Err(errno),
            }
        }
    }

    pub(super) fn record(&mut self, op: Op) {
        if let Op::Write { data, .. } | Op::Store { data, .. } = &op {
            self.counts.written += data.len();
        }
        self.seen.apply(&op);
        self.ops.push(op);
    }

    pub(super) fn new_inode(&mut self) -> Inode {
        self.inodes += 1;
        self.inodes - 1
    }

    pub(super) fn content(&self, inode: Inode) -> io::Result<&Arc<Content>> {
        self.seen
            .files
            .get(&inode)
            .ok_or_else(|| io::ErrorKind::IsADirectory.into())
    }

    pub(super) fn len(&mut self, inode: Inode) -> io::Result<u64> {
        self.call(Call::Len)?;
        Ok(self.content(inode)?.len())
    }

    pub(super) fn read(&mut self, inode: Inode, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let len = match self.meet(Call::Read).map_err(Errno::error)? {
            Extent::All => buffer.len(),
            Extent::Half => buffer.len().div_ceil(2),
        };
        Ok(self.content(inode)?.read(position, &mut buffer[..len]))
    }

    pub(super) fn write(&mut self, inode: Inode, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let at = position + done as u64;
            let (len, error) = match self.meet(Call::Write) {
                Ok(Extent::All) => (rest.len(), None),
                Ok(Extent::Half) => (rest.len().div_ceil(2), None),
                Err(errno) if errno.leaves_a_part() => (rest.len() / 2, Some(errno)),
                Err(errno) => (0, Some(errno)),
            };
            let fitting = self.fitting(inode, at, len)?;
            if fitting > 0 {
                let end = at + fitting as u64;
                let grows = (end > self.content(inode)?.len()).then_some(end);
                let data = Data::new(&rest[..fitting]);
                self.record(Op::Write {
                    inode,
                    position: at,
                    data,
                    grows,
                });
            }
            done += fitting;
            if let Some(errno) = error.or((fitting < len).then_some(Errno::Enospc)) {
                return Err(errno.error());
            }
        }
        Ok(())
    }

    /// How many of the `len` bytes at `position` fit on the disk.
    fn fitting(&self, inode: Inode, position: u64, len: usize) -> io::Result<usize> {
        let Some(mut free) = self.free_pages() else {
            return Ok(len);
        };
        let content = self.content(inode)?;
        for page in position / PAGE..(position + len as u64).div_ceil(PAGE) {
            if content.is_placed(page) {
                continue;
            }
            if free == 0 {
                return Ok(usize::try_from((page * PAGE).saturating_sub(position)).unwrap_or(0));
            }
            free -= 1;
        }
        Ok(len)
    }

    /// The bytes that all files take together.
    pub(super) fn used_space(&self) -> u64 {
        let paths = self.seen.walk();
        let files = paths.iter().filter_map(|(_, inode)| self.seen.files.get(inode));
        files.map(|content| content.placed_count() * PAGE).sum()
    }

    /// The number of free pages; `None` without a limit.
    pub(super) fn free_pages(&self) -> Option<u64> {
        Some(self.limits.space?.saturating_sub(self.used_space()) / PAGE)
    }

    pub(super) fn set_len(&mut self, inode: Inode, len: u64) -> io::Result<()> {
        self.call(Call::SetLen)?;
        self.content(inode)?;
        self.record(Op::SetLen { inode, len });
        Ok(())
    }

    pub(super) fn sync(&mut self, inode: Inode) -> io::Result<()> {
        self.sync_part(inode)?;
        let ignored = self.faults.syncs.meet(self.ops.len()).then_some(Outcome::Lied);
        let lie = ignored.or_else(|| {
            self.lies_about(inode).find_map(|lie| match lie {
                Lie::Sync => Some(Outcome::Lied),
                Lie::SyncLength => Some(Outcome::ButLength),
                Lie::SyncLast => Some(Outcome::ButLast),
                Lie::SyncDir | Lie::Rename | Lie::AfterFailure => None,
            })
        });
        self.record(Op::Sync {
            inode,
            outcome: lie.unwrap_or(Outcome::Durable),
        });
        Ok(())
    }

    /// Can fail like a sync, but makes nothing durable.
    pub(super) fn sync_part(&mut self, inode: Inode) -> io::Result<()> {
        let Err(errno) = self.meet(Call::Sync) else {
            return Ok(());
        };
        let for_good = self.lies_about(inode).any(|lie| lie == Lie::AfterFailure);
        let outcome = if for_good {
            Outcome::FailedForGood
        } else {
            Outcome::Failed
        };
        self.record(Op::Sync { inode, outcome });
        Err(errno.error())
    }

    pub(super) fn sync_dir(&mut self, dir: Inode) -> io::Result<()> {
        if let Err(errno) = self.meet(Call::SyncDir) {
            self.record(Op::SyncDir {
                dir,
                outcome: Outcome::Failed,
            });
            return Err(errno.error());
        }
        let outcome = if self.faults.syncs.meet(self.ops.len())
            || self.lies_about(dir).any(|lie| lie == Lie::SyncDir)
        {
            Outcome::Lied
        } else {
            Outcome::Durable
        };
        self.record(Op::SyncDir { dir, outcome });
        Ok(())
    }

    /// The lies that affect a file or directory.
    fn lies_about(&self, inode: Inode) -> impl Iterator<Item = Lie> {
        let names = if self.lies.is_empty() {
            Vec::new()
        } else {
            self.seen.walk()
        };
        let path = names
            .into_iter()
            .find(|(_, other)| *other == inode)
            .map_or(String::new(), |(path, _)| path);
        self.lies
            .iter()
            .filter(move |(_, about)| path.contains(about.as_str()))
            .map(|(lie, _)| *lie)
    }

    /// Whether a rename to `name` in `dir` can be half done after a crash.
    pub(super) fn lies_about_renaming(&self, dir: Inode, name: &str) -> bool {
        if !self.lies.iter().any(|(lie, _)| *lie == Lie::Rename) {
            return false;
        }
        let dirs = self.seen.walk().into_iter();
        let path = dirs
            .filter(|(_, inode)| *inode == dir)
            .map(|(path, _)| path)
            .next();
        let path = format!("{}/{name}", path.unwrap_or_default());
        self.lies
            .iter()
            .any(|(lie, about)| *lie == Lie::Rename && path.contains(about.as_str()))
    }

    pub(super) fn store(&mut self, inode: Inode, position: u64, bytes: &[u8]) {
        self.counts.calls[Call::Store as usize] += 1;
        let bytes = self
            .mapped(inode, position, bytes.len())
            .map_or(bytes, |len| &bytes[..len]);
        if bytes.is_empty() {
            return;
        }
        let content = &self.seen.files[&inode];
        if has_hole(content, position, position + bytes.len() as u64) {
            self.counts.stores_into_holes += 1;
            assert!(
                self.free_pages() != Some(0),
                "SIGBUS: a store through a mapping to a place without space, on a full disk"
            );
        }
        self.record(Op::Store {
            inode,
            position,
            data: Data::new(bytes),
        });
    }

    pub(super) fn load(&mut self, inode: Inode, position: u64, buffer: &mut [u8]) {
        self.mapped(inode, position, buffer.len());
        let content = &self.seen.files[&inode];
        let read = content.read(position, buffer);
        if has_hole(content, position, position + read as u64) {
            self.counts.loads_from_holes += 1;
        }
        buffer[read..].fill(0);
    }

    /// Whether some of a file's first `len` bytes have no place on the medium.
    pub(super) fn has_hole(&self, inode: Inode, len: u64) -> bool {
        let content = &self.seen.files[&inode];
        has_hole(content, 0, len.min(content.len()))
    }

    /// How many of the `len` bytes at `position` are in the file. An access beyond the file's last
    /// page would have killed the process. Bytes in that page after the file's end belong to
    /// nobody.
    fn mapped(&self, inode: Inode, position: u64, len: usize) -> Option<usize> {
        let file_len = self.seen.files[&inode].len();
        let end = position + len as u64;
        assert!(
            end <= file_len.next_multiple_of(PAGE),
            "SIGBUS: {position}..{end} of a mapping touched, of a file of {file_len} bytes"
        );
        (end > file_len).then(|| usize::try_from(file_len.saturating_sub(position)).unwrap_or(len))
    }

    /// The paths of inodes, as far as they have one.
    pub(super) fn paths(&self) -> BTreeMap<Inode, String> {
        // Later names win, but a removed name is better than none.
        let mut paths: BTreeMap<Inode, String> = self
            .base
            .walk()
            .into_iter()
            .map(|(path, inode)| (inode, path))
            .collect();
        for op in &self.ops {
            if let Op::Create { dir, name, inode } | Op::CreateDir { dir, name, inode } = op {
                let path = format!("{}/{name}", paths.get(dir).map_or("?", String::as_str));
                paths.insert(*inode, path);
            }
        }
        paths
    }

    pub(super) fn resolve_dir(&self, path: &Path) -> io::Result<Inode> {
        let inode = self.seen.resolve(path)?;
        if self.seen.dirs.contains_key(&inode) {
            Ok(inode)
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }
}

/// Whether some of the bytes from `from` to `to` have no place on the medium.
fn has_hole(content: &Content, from: u64, to: u64) -> bool {
    from < to && (from / PAGE..to.div_ceil(PAGE)).any(|page| !content.is_placed(page))
}
