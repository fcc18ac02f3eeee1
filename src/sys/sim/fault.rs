use std::io;

use super::op::Call;
use super::syncs::Syncs;

/// The error of a failing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Errno {
    /// The device failed.
    Eio,
    /// No space left.
    Enospc,
    /// The quota is used up.
    Edquot,
    /// No more descriptors.
    Emfile,
    /// No memory, or too many mappings.
    Enomem,
    /// The file system may only be read.
    Erofs,
    /// No permission.
    Eacces,
    /// A signal interrupted the call. If the fault persists, it affects every second call.
    Eintr,
    /// No error, but a read or write handles only half of the bytes.
    Short,
}

impl Errno {
    /// All errors.
    pub const ALL: &[Errno] = &[
        Errno::Eio,
        Errno::Enospc,
        Errno::Edquot,
        Errno::Emfile,
        Errno::Enomem,
        Errno::Erofs,
        Errno::Eacces,
        Errno::Eintr,
        Errno::Short,
    ];

    /// Whether a call of this kind can fail with this error.
    #[must_use]
    pub fn hits(self, call: Call) -> bool {
        use Call::{
            Create, CreateDir, List, LockExclusive, LockShared, Map, OpenDir, OpenRead, OpenWrite, Random,
            Read, Remove, Rename, SetLen, Store, Sync, SyncDir, Write,
        };
        let opens = matches!(
            call,
            List | OpenRead | OpenWrite | Create | OpenDir | LockExclusive | LockShared
        );
        let names = matches!(call, CreateDir | Create | Rename | Remove);
        match self {
            // Even a call for random bytes can fail, if a filter blocks the system call.
            Errno::Eio => call != Store,
            Errno::Enospc | Errno::Edquot => {
                matches!(
                    call,
                    CreateDir | Create | Rename | Write | SetLen | Sync | SyncDir | LockExclusive
                )
            }
            Errno::Emfile => opens,
            Errno::Enomem => opens || names || matches!(call, Map | Write | Sync | SyncDir),
            Errno::Erofs => {
                names || matches!(call, OpenWrite | Write | SetLen | Sync | SyncDir | LockExclusive)
            }
            Errno::Eacces => opens || names,
            Errno::Eintr => matches!(call, Random | Read | Write | Sync | SyncDir | SetLen) || opens,
            Errno::Short => matches!(call, Read | Write),
        }
    }

    /// The error as the system returns it.
    #[must_use]
    pub fn error(self) -> io::Error {
        use crate::sys::os::Errno as Os;
        match self {
            Errno::Eio | Errno::Short => Os::IO,
            Errno::Enospc => Os::NOSPC,
            Errno::Edquot => Os::DQUOT,
            Errno::Emfile => Os::MFILE,
            Errno::Enomem => Os::NOMEM,
            Errno::Erofs => Os::ROFS,
            Errno::Eacces => Os::ACCESS,
            Errno::Eintr => Os::INTR,
        }
        .into()
    }

    /// Whether a write that fails with this error may have written a part.
    pub(super) fn leaves_a_part(self) -> bool {
        matches!(self, Errno::Eio | Errno::Enospc | Errno::Edquot)
    }
}

/// A fault of one call, or of all calls from one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The error.
    pub errno: Errno,
    /// The kind of call. `None` means every call that can fail with this error.
    pub call: Option<Call>,
    /// Which of these calls fails, counted from 0 when the fault is set.
    pub index: u64,
    /// Whether all later calls fail too.
    pub from_then_on: bool,
}

/// A promise that the file system breaks. Tests use lies to show that they would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lie {
    /// A sync of a file reports success but does nothing.
    Sync,
    /// A sync of a directory reports success but does nothing.
    SyncDir,
    /// A sync of a file makes its bytes durable, but not its length.
    SyncLength,
    /// A sync of a file makes all but the last write or store durable.
    SyncLast,
    /// After a crash, a rename can be half done, with neither name or both.
    Rename,
    /// Bytes written to a file after a failed sync are lost, whatever later syncs report. This is
    /// how ext4 treats space that was allocated but never written.
    AfterFailure,
}

/// The faults of a machine, and how many calls each has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    waiting: Vec<(Fault, u64)>,
    hit: u64,
    last: Option<Call>,
    pub(super) syncs: Syncs,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.waiting.push((fault, 0));
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The number of calls that have failed.
    pub(super) fn hit(&self) -> u64 {
        self.hit
    }

    /// The call that failed last.
    pub(super) fn last(&self) -> Option<Call> {
        self.last
    }

    /// Counts a call, and returns its error if it fails.
    pub(super) fn meet(&mut self, call: Call) -> Option<Errno> {
        let mut met = None;
        for (fault, count) in &mut self.waiting {
            if fault.call.is_some_and(|only| only != call) || !fault.errno.hits(call) {
                continue;
            }
            let index = *count;
            *count += 1;
            // A caller that retries after a signal must make progress.
            let again = fault.from_then_on
                && index > fault.index
                && (fault.errno != Errno::Eintr || (index - fault.index).is_multiple_of(2));
            if index == fault.index || again {
                met = Some(fault.errno);
            }
        }
        if met.is_some() {
            self.hit += 1;
            self.last = Some(call);
        }
        met
    }
}
