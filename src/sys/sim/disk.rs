use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::content::Content;
use super::crash::{CrashImages, CrashPlan, PowerCut, Remains};
use super::fault::{Fault, Lie};
use super::image::Image;
use super::machine::Machine;
use super::op::{Call, Op, Shown};
use super::pending::Pending;
use super::random::mix;
use super::shared::Shared;
use super::syncs::SyncPlace;
use crate::MappedFiles;

/// A disk in memory with the system that uses it. Clones are handles to the same disk.
///
/// Every change is recorded. A *point* is a number of recorded operations. At any point the power
/// may fail ([`crash_images`](SimDisk::crash_images)) or the process may be killed
/// ([`kill_at`](SimDisk::kill_at)). Both give new disks, which remember their history, and leave
/// this disk unchanged.
#[derive(Clone)]
pub struct SimDisk {
    pub(super) machine: Arc<Shared>,
    /// The previous disk and the power cut that led to this one.
    origin: Option<Arc<(SimDisk, PowerCut)>>,
    hash: Option<u64>,
}

impl SimDisk {
    /// Creates an empty disk. Its random bytes depend only on `seed`.
    #[must_use]
    pub fn new(seed: u64) -> SimDisk {
        SimDisk::with(Machine::start(Image::default(), seed))
    }

    fn with(machine: Machine) -> SimDisk {
        SimDisk {
            machine: Shared::new(machine),
            origin: None,
            hash: None,
        }
    }

    /// The disk after a power cut on `parent`.
    fn found(remains: Remains, parent: &SimDisk) -> SimDisk {
        let mut machine = Machine::start(remains.image, mix(remains.seed, 1));
        machine.limits.mapped = parent.machine.lock_unseen().limits.mapped;
        SimDisk {
            machine: Shared::new(machine),
            origin: Some(Arc::new((parent.clone(), remains.cut))),
            hash: Some(remains.hash),
        }
    }

    /// The number of recorded operations.
    #[must_use]
    pub fn point(&self) -> usize {
        self.machine.lock().ops.len()
    }

    /// The number of operations from `point` on that change something, as opposed to making it
    /// durable.
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

    /// Whether to let the power fail at `point`. A point before a note is skipped, because the disk
    /// is the same after the note, when more may have been promised.
    #[must_use]
    pub fn is_crash_point(&self, point: usize) -> bool {
        !matches!(self.machine.lock().ops.get(point), Some(Op::Note(_)))
    }

    /// How many times a call was made.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.machine.lock().counts.calls(call)
    }

    /// Adds a line of text to the log of operations. It counts as an operation that changes
    /// nothing.
    pub fn note(&self, text: impl Into<String>) {
        self.machine.lock().record(Op::Note(text.into()));
    }

    /// The distinct disks that may be found if the power fails after `point` operations. The first
    /// one keeps only what was synced. The first few, however many, are a fair sample of all.
    pub fn crash_images(&self, point: usize, plan: &CrashPlan) -> impl Iterator<Item = SimDisk> + use<> {
        let pending = {
            let machine = self.machine.lock();
            Pending::after(&machine.base, &machine.ops[..point.min(machine.ops.len())])
        };
        let parent = self.clone();
        CrashImages::new(point, pending, plan).map(move |remains| SimDisk::found(remains, &parent))
    }

    /// The disk that is found if the power fails now and only synced changes survive.
    #[must_use]
    pub fn power_cut(&self) -> SimDisk {
        let machine = self.machine.lock();
        let image = Pending::after(&machine.base, &machine.ops).certain();
        let mut started = Machine::start(image, mix(machine.seed, 2));
        started.limits.mapped = machine.limits.mapped;
        SimDisk::with(started)
    }

    /// The same system with all processes killed now. Files are as the processes saw them, locks
    /// are released, and unsynced changes can still be lost. Faults, lies and the limit of space
    /// stay in force.
    #[must_use]
    pub fn kill(&self) -> SimDisk {
        self.kill_at(self.point())
    }

    /// Like [`kill`](SimDisk::kill), after `point` operations.
    #[must_use]
    pub fn kill_at(&self, point: usize) -> SimDisk {
        SimDisk::with(self.machine.lock().killed(point))
    }

    /// Drops the pages that the system believes to be on the medium from its cache. Bytes that a
    /// failed sync did not write are then no longer seen.
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

    /// Calls `visit` before and after each call into the file system from now on, on the thread
    /// that makes the call; `None` ends that. Loads and stores through mappings are no such calls.
    ///
    /// So a test can let something else happen at each point in the middle of an operation.
    pub fn visit(&self, visit: Option<Arc<dyn Fn() + Send + Sync>>) {
        self.machine.set_visit(visit);
    }

    /// The number of calls that failed, were interrupted or were cut short.
    #[must_use]
    pub fn faults_hit(&self) -> u64 {
        self.machine.lock().faults.hit()
    }

    /// The call that failed last.
    #[must_use]
    pub fn last_fault(&self) -> Option<Call> {
        self.machine.lock().faults.last()
    }

    /// Makes the file system break a promise from now on, for files and directories whose path
    /// contains `about`.
    pub fn lie(&self, lie: Lie, about: &str) {
        self.machine.lock().lies.push((lie, about.to_owned()));
    }

    /// Makes these successful syncs, counted from now, report success but do nothing, as if the
    /// library had left them out.
    pub fn ignore_syncs(&self, which: impl IntoIterator<Item = usize>) {
        let which = which.into_iter().collect();
        self.machine.lock().faults.syncs.ignore(which);
    }

    /// Begins to note which places in the library ask for syncs.
    pub fn watch_syncs(&self) {
        self.machine.lock().faults.syncs.watch();
    }

    /// The places that asked for the successful syncs since they were watched, in order, each with
    /// the point at which it did.
    #[must_use]
    pub fn sync_places(&self) -> Vec<(usize, SyncPlace)> {
        self.machine.lock().faults.syncs.places().to_vec()
    }

    /// Makes the file system keep its promises again.
    pub fn tell_the_truth(&self) {
        let machine = &mut *self.machine.lock();
        machine.lies.clear();
        machine.faults.syncs.forget();
    }

    /// Makes it a file system on which no more than these files may be mapped.
    pub fn set_mapped_files(&self, mapped: MappedFiles) {
        self.machine.lock().limits.mapped = mapped;
    }

    /// Limits the bytes that all files may take together, in pages of 4 KiB; `None` lifts the
    /// limit.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.machine.lock().limits.space = bytes;
    }

    /// The bytes that all files take together, in pages of 4 KiB.
    #[must_use]
    pub fn used_space(&self) -> u64 {
        self.machine.lock().used_space()
    }

    /// The number of stores through mappings to places that were not allocated. On a full disk,
    /// each of them would have killed the process.
    #[must_use]
    pub fn stores_into_holes(&self) -> u64 {
        self.machine.lock().counts.stores_into_holes
    }

    /// The bytes that were written to files, and stored through mappings, since the system started.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.machine.lock().counts.written
    }

    /// The number of loads through mappings from places that were not allocated. On a full disk,
    /// some file systems would have killed the process.
    #[must_use]
    pub fn loads_from_holes(&self) -> u64 {
        self.machine.lock().counts.loads_from_holes
    }

    /// The number of open files and mappings.
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

    /// Puts a file with these bytes on the medium, as if it had been there before the system
    /// started, and creates its missing parent directories.
    ///
    /// # Errors
    ///
    /// If a parent is a file, or an operation has already been recorded.
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

    /// Removes a file, as if it had never been on the medium.
    ///
    /// # Errors
    ///
    /// If the directory is missing, or an operation has already been recorded.
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

    /// Copies the files in a directory, but no directories, to a new one, as another program does,
    /// and syncs the copies.
    ///
    /// # Errors
    ///
    /// If `from` is missing, or `to` exists or cannot be created.
    pub fn copy_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        let machine = &mut *self.machine.lock();
        let names = machine.resolve_dir(from)?;
        let names = Arc::clone(&machine.seen.dirs[&names]);
        let (parent, name) = machine.seen.resolve_parent(to)?;
        if machine.seen.lookup(parent, &name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let dir = machine.new_inode();
        machine.record(Op::CreateDir {
            dir: parent,
            name,
            inode: dir,
        });
        for (name, from) in names.iter() {
            let Some(content) = machine.seen.files.get(from) else {
                continue;
            };
            let mut bytes = vec![0; usize::try_from(content.len()).map_err(io::Error::other)?];
            content.read(0, &mut bytes);
            let (name, inode) = (name.clone(), machine.new_inode());
            machine.record(Op::Create { dir, name, inode });
            machine.write(inode, 0, &bytes)?;
            machine.sync(inode)?;
        }
        machine.sync_dir(dir)?;
        machine.sync_dir(parent)
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

    /// A hash of all names and bytes.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let found = self.hash.filter(|_| self.point() == 0);
        found.unwrap_or_else(|| self.machine.lock().seen.hash())
    }

    /// Like [`hash`](SimDisk::hash), for the contents of one directory.
    #[must_use]
    pub fn hash_in(&self, dir: &Path) -> u64 {
        self.machine.lock().seen.hash_in(dir)
    }

    /// The log of operations, including the history of the disk that it began with.
    #[must_use]
    pub fn op_log(&self) -> String {
        self.story(usize::MAX)
    }

    /// The first `count` operations and the history before them.
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
