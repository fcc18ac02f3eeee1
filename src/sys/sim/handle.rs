//! The files, mappings and locks that processes have on a simulated disk.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::image::Inode;
use super::op::Call;
use super::shared::Shared;

/// An inode kept open by a file or a mapping.
struct Handle {
    machine: Arc<Shared>,
    inode: Inode,
}

impl Handle {
    fn new(machine: &Arc<Shared>, inode: Inode) -> Handle {
        machine.lock_unseen().counts.handles += 1;
        Handle {
            machine: Arc::clone(machine),
            inode,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.machine.lock_unseen().counts.handles -= 1;
    }
}

/// An open file of a simulated disk.
pub(in crate::sys) struct SimFile(Handle);

impl SimFile {
    pub(super) fn new(machine: &Arc<Shared>, inode: Inode) -> SimFile {
        SimFile(Handle::new(machine, inode))
    }

    pub(in crate::sys) fn len(&self) -> io::Result<u64> {
        self.0.machine.lock().len(self.0.inode)
    }

    pub(in crate::sys) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.machine.lock().read(self.0.inode, position, buffer)
    }

    /// Writes all of `bytes`, like the standard library's `write_all_at`.
    pub(in crate::sys) fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.machine.lock().write(self.0.inode, position, bytes)
    }

    pub(in crate::sys) fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.machine.lock().set_len(self.0.inode, len)
    }

    pub(in crate::sys) fn sync(&self) -> io::Result<()> {
        self.0.machine.lock().sync(self.0.inode)
    }

    /// Whether the file has no place on the medium for some of its first `len` bytes.
    pub(in crate::sys) fn has_hole(&self, len: u64) -> bool {
        self.0.machine.lock().has_hole(self.0.inode, len)
    }

    pub(in crate::sys) fn again(&self) -> SimFile {
        SimFile::new(&self.0.machine, self.0.inode)
    }

    pub(in crate::sys) fn map(&self, writable: bool) -> io::Result<SimMap> {
        self.0.machine.lock().call(Call::Map)?;
        Ok(SimMap {
            handle: Handle::new(&self.0.machine, self.0.inode),
            writable,
        })
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({})", self.0.inode)
    }
}

/// A shared mapping of a file of a simulated disk. All files and mappings of an inode see the same
/// bytes.
pub(in crate::sys) struct SimMap {
    handle: Handle,
    writable: bool,
}

impl SimMap {
    pub(in crate::sys) fn takes_stores(&self) -> bool {
        self.writable
    }

    /// Does nothing and returns false if the mapping is read-only.
    pub(in crate::sys) fn store(&self, position: u64, bytes: &[u8]) -> bool {
        if self.writable {
            self.handle
                .machine
                .lock_unseen()
                .store(self.handle.inode, position, bytes);
        }
        self.writable
    }

    /// Makes nothing durable, because the call promises no more.
    pub(in crate::sys) fn sync_part(&self) -> io::Result<()> {
        self.handle.machine.lock().sync_part(self.handle.inode)
    }

    pub(in crate::sys) fn load(&self, position: u64, buffer: &mut [u8]) {
        self.handle
            .machine
            .lock_unseen()
            .load(self.handle.inode, position, buffer);
    }
}

impl fmt::Debug for SimMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimMap({})", self.handle.inode)
    }
}

/// A lock on a directory of a simulated disk, released when dropped.
pub(in crate::sys) struct SimLock {
    pub(super) held: Option<(Arc<Shared>, Inode)>,
    pub(super) exclusive: bool,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let Some((machine, dir)) = &self.held else { return };
        if let Some(held) = machine.lock_unseen().locks.get_mut(dir) {
            if self.exclusive {
                held.exclusive = false;
            } else {
                held.shared -= 1;
            }
        }
    }
}

impl fmt::Debug for SimLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimLock({:?})", self.held.as_ref().map(|(_, dir)| dir))
    }
}
