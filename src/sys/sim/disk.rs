use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::content::Content;
use super::crash::{CrashImages, CrashPlan, PowerCut, Remains};
use super::fault::{Fault, Lie};
use super::image::Image;
use super::machine::Machine;
use super::op::{Call, Op, Shown};
use super::pending::Pending;
use super::random::mix;

/// A disk in memory with the system that uses it. Clones are handles to the same one.
///
/// Every change is recorded. A *point* is a number of recorded operations; after any of them the power may fail
/// ([`crash_images`](SimDisk::crash_images)) or the process be killed ([`kill_at`](SimDisk::kill_at)). Either gives
/// new disks, which know where they come from, and leaves this one alone.
#[derive(Clone)]
pub struct SimDisk {
    pub(super) machine: Arc<Mutex<Machine>>,
    /// The disk before the power cut that this one came from.
    origin: Option<Arc<(SimDisk, PowerCut)>>,
    hash: Option<u64>,
}

impl SimDisk {
    /// An empty disk. What it gives as random depends on `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> SimDisk {
        SimDisk::with(Machine::start(Image::default(), seed))
    }

    fn with(machine: Machine) -> SimDisk {
        SimDisk {
            machine: Arc::new(Mutex::new(machine)),
            origin: None,
            hash: None,
        }
    }

    /// The disk found after a power cut.
    fn found(remains: Remains, parent: &SimDisk) -> SimDisk {
        let machine = Machine::start(remains.image, mix(remains.seed, 1));
        SimDisk {
            machine: Arc::new(Mutex::new(machine)),
            origin: Some(Arc::new((parent.clone(), remains.cut))),
            hash: Some(remains.hash),
        }
    }

    /// How many operations are recorded.
    #[must_use]
    pub fn point(&self) -> usize {
        self.machine.lock().ops.len()
    }

    /// How many of them, from `point` on, change something, as opposed to making it durable.
    #[must_use]
    pub fn changes_since(&self, point: usize) -> usize {
        self.machine
            .lock()
            .ops
            .iter()
            .skip(point)
            .filter(|op| op.is_change())
            .count()
    }

    /// Whether to let the power fail at `point`: at all but those that a note follows, behind which the disk is the
    /// same and more may have been promised.
    #[must_use]
    pub fn is_crash_point(&self, point: usize) -> bool {
        !matches!(self.machine.lock().ops.get(point), Some(Op::Note(_)))
    }

    /// How often a call was made.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.machine.lock().counts.calls(call)
    }

    /// Puts a line of text into the log of operations. It counts as an operation that changes nothing.
    pub fn note(&self, text: impl Into<String>) {
        self.machine.lock().record(Op::Note(text.into()));
    }

    /// The distinct disks that may be found if the power fails after `point` operations; the first is the one that
    /// kept nothing but what was synced. Taken up to any number they are a fair sample of the rest.
    pub fn crash_images(&self, point: usize, plan: &CrashPlan) -> impl Iterator<Item = SimDisk> + use<> {
        let pending = {
            let machine = self.machine.lock();
            Pending::after(&machine.base, &machine.ops[..point.min(machine.ops.len())])
        };
        let parent = self.clone();
        CrashImages::new(point, pending, plan).map(move |remains| SimDisk::found(remains, &parent))
    }

    /// The disk as it is found if the power fails now and nothing survives that was not synced.
    #[must_use]
    pub fn power_cut(&self) -> SimDisk {
        let machine = self.machine.lock();
        let image = Pending::after(&machine.base, &machine.ops).certain();
        SimDisk::with(Machine::start(image, mix(machine.seed, 2)))
    }

    /// The same system with all processes killed now: everything is as they saw it, locks are free, and what was not
    /// synced can still be lost. The disk fails, lies and is full as before.
    #[must_use]
    pub fn kill(&self) -> SimDisk {
        self.kill_at(self.point())
    }

    /// As [`kill`](SimDisk::kill), after `point` operations.
    #[must_use]
    pub fn kill_at(&self, point: usize) -> SimDisk {
        SimDisk::with(self.machine.lock().killed(point))
    }

    /// Drops what the system believes to be on the medium from its memory: what a failed sync did not write is then
    /// no longer seen.
    pub fn evict(&self) {
        let machine = &mut *self.machine.lock();
        machine.seen = Pending::after(&machine.base, &machine.ops).without_forsaken();
    }

    /// Makes a call fail.
    pub fn inject(&self, fault: Fault) {
        self.machine.lock().faults.add(fault);
    }

    /// Makes all calls succeed again.
    pub fn heal(&self) {
        self.machine.lock().faults.clear();
    }

    /// How many calls have failed, been interrupted or cut short.
    #[must_use]
    pub fn faults_hit(&self) -> u64 {
        self.machine.lock().faults.hit()
    }

    /// The call that failed last.
    #[must_use]
    pub fn last_fault(&self) -> Option<Call> {
        self.machine.lock().faults.last()
    }

    /// Breaks the word of the file system from now on, of files and directories whose path contains `about`.
    pub fn lie(&self, lie: Lie, about: &str) {
        self.machine.lock().lies.push((lie, about.to_owned()));
    }

    /// Keeps the word of the file system again.
    pub fn tell_the_truth(&self) {
        self.machine.lock().lies.clear();
    }

    /// Limits the bytes that all files may take together, in pages of 4 KiB; `None` lifts the limit.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.machine.lock().space = bytes;
    }

    /// Bytes that all files take together, in pages of 4 KiB.
    #[must_use]
    pub fn used_space(&self) -> u64 {
        self.machine.lock().used_space()
    }

    /// Stores through mappings to places for which no space had been set aside. On a full disk each of them would
    /// have killed the process.
    #[must_use]
    pub fn stores_into_holes(&self) -> u64 {
        self.machine.lock().counts.stores_into_holes
    }

    /// Files and mappings that are open.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.machine.lock().counts.handles
    }

    /// The bytes of a file as processes see them.
    #[must_use]
    pub fn read_file(&self, path: &Path) -> Option<Vec<u8>> {
        let machine = self.machine.lock();
        let content = machine.seen.files.get(&machine.seen.resolve(path).ok()?)?;
        let mut bytes = vec![0; usize::try_from(content.len()).ok()?];
        content.read(0, &mut bytes);
        Some(bytes)
    }

    /// Gives a file these bytes, as something that was on the medium before the system started, with the directories
    /// that are missing above it.
    ///
    /// # Errors
    ///
    /// If one of these is a file, or anything is recorded already.
    pub fn set_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let machine = &mut *self.machine.lock();
        if !machine.ops.is_empty() {
            return Err(io::Error::other("the disk is in use"));
        }
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for dir in above.into_iter().rev() {
            if machine.base.resolve(dir).is_err() {
                let (parent, name) = machine.base.resolve_parent(dir)?;
                let inode = machine.new_inode();
                let dir = parent;
                machine.base.apply(&Op::CreateDir { dir, name, inode });
            }
        }
        let (dir, name) = machine.base.resolve_parent(path)?;
        let inode = machine
            .base
            .lookup(dir, &name)
            .unwrap_or_else(|| machine.new_inode());
        machine.base.link(dir, &name, Some(inode));
        machine.base.files.insert(inode, Arc::new(Content::new(bytes)));
        machine.seen = machine.base.clone();
        Ok(())
    }

    /// Takes a file away, as something that was never on the medium.
    ///
    /// # Errors
    ///
    /// If the directory is missing, or anything is recorded already.
    pub fn take_file(&self, path: &Path) -> io::Result<()> {
        let machine = &mut *self.machine.lock();
        if !machine.ops.is_empty() {
            return Err(io::Error::other("the disk is in use"));
        }
        let (dir, name) = machine.base.resolve_parent(path)?;
        machine.base.link(dir, &name, None);
        machine.base.prune();
        machine.seen = machine.base.clone();
        Ok(())
    }

    /// The paths and lengths of all files.
    #[must_use]
    pub fn files(&self) -> Vec<(String, u64)> {
        let machine = self.machine.lock();
        let paths = machine.seen.walk().into_iter();
        paths
            .filter_map(|(path, inode)| Some((path, machine.seen.files.get(&inode)?.len())))
            .collect()
    }

    /// A number that is the same for the same names with the same bytes.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let found = self.hash.filter(|_| self.point() == 0);
        found.unwrap_or_else(|| self.machine.lock().seen.hash())
    }

    /// As [`hash`](SimDisk::hash), of what is in one directory.
    #[must_use]
    pub fn hash_in(&self, dir: &Path) -> u64 {
        self.machine.lock().seen.hash_in(dir)
    }

    /// The log of operations, with what led to the disk it began with.
    #[must_use]
    pub fn op_log(&self) -> String {
        self.story(usize::MAX)
    }

    /// The first `count` operations, and what came before.
    fn story(&self, count: usize) -> String {
        let before = self.origin.as_ref().map_or_else(String::new, |origin| {
            let (parent, cut) = &**origin;
            format!("{cut}{}\n", parent.story(cut.point))
        });
        let machine = self.machine.lock();
        let paths = machine.paths();
        let path = |inode| paths.get(&inode).cloned().unwrap_or_default();
        let ops = machine.ops.iter().enumerate().take(count);
        ops.fold(before, |story, (index, op)| {
            format!("{story}{index:5}  {}\n", Shown(op, path))
        })
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk")
            .field("point", &self.point())
            .finish_non_exhaustive()
    }
}
