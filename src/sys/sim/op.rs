use std::fmt;

use super::content::Data;
use super::image::Inode;

/// A change, or a request to make changes durable, in the order in which they were made.
#[derive(Clone, Debug)]
pub(super) enum Op {
    CreateDir {
        dir: Inode,
        name: String,
        inode: Inode,
    },
    Create {
        dir: Inode,
        name: String,
        inode: Inode,
    },
    Rename {
        from_dir: Inode,
        from: String,
        to_dir: Inode,
        to: String,
        inode: Inode,
        atomic: bool,
    },
    Unlink {
        dir: Inode,
        name: String,
    },
    SyncDir {
        dir: Inode,
        outcome: Outcome,
    },
    /// `grows` is the new length if the write made the file longer.
    Write {
        inode: Inode,
        position: u64,
        data: Data,
        grows: Option<u64>,
    },
    Store {
        inode: Inode,
        position: u64,
        data: Data,
    },
    SetLen {
        inode: Inode,
        len: u64,
    },
    Sync {
        inode: Inode,
        outcome: Outcome,
    },
    Note(String),
}

impl Op {
    /// Whether this operation can make a difference after a crash.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Op::SyncDir { .. } | Op::Sync { .. } | Op::Note(_))
    }
}

/// The outcome of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did what it reported.
    Durable,
    /// It failed. The changes that it covered may or may not be durable, and no later sync writes
    /// them again.
    Failed,
    /// It failed, and later changes to the file are lost too.
    FailedForGood,
    /// It reported success but did nothing.
    Lied,
    /// It reported success but did not make the length durable.
    ButLength,
    /// It reported success but left out the last write or store.
    ButLast,
}

/// Prints an operation with paths instead of inodes.
pub(super) struct Shown<'a, F>(pub(super) &'a Op, pub(super) F);

impl<F: Fn(Inode) -> String> fmt::Display for Shown<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.1;
        match self.0 {
            Op::CreateDir { dir, name, .. } => write!(f, "create directory {}/{name}", path(*dir)),
            Op::Create { dir, name, inode } => write!(f, "create {}/{name} (inode {inode})", path(*dir)),
            Op::Rename {
                from_dir,
                from,
                to_dir,
                to,
                inode,
                ..
            } => {
                write!(
                    f,
                    "rename {}/{from} to {}/{to} (inode {inode})",
                    path(*from_dir),
                    path(*to_dir)
                )
            }
            Op::Unlink { dir, name } => write!(f, "unlink {}/{name}", path(*dir)),
            Op::SyncDir { dir, outcome } => write!(f, "sync directory {}: {outcome:?}", path(*dir)),
            Op::Write {
                inode,
                position,
                data,
                grows,
            } => {
                write!(f, "write {} at {position}: {data:?}", path(*inode))?;
                grows.map_or(Ok(()), |len| write!(f, ", now {len} long"))
            }
            Op::Store {
                inode,
                position,
                data,
            } => {
                write!(f, "store {} at {position}: {data:?}", path(*inode))
            }
            Op::SetLen { inode, len } => write!(f, "set length of {} to {len}", path(*inode)),
            Op::Sync { inode, outcome } => write!(f, "sync {}: {outcome:?}", path(*inode)),
            Op::Note(text) => write!(f, "-- {text}"),
        }
    }
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A call into the file system.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Call { $($(#[$doc])* $name),+ }

        impl Call {
            /// All calls.
            pub const ALL: &[Call] = &[$(Call::$name),+];
        }
    };
}

calls! {
    /// `mkdir`.
    CreateDir,
    /// Listing a directory.
    List,
    /// Opening an existing file for reading.
    OpenRead,
    /// Opening an existing file for writing.
    OpenWrite,
    /// Creating a file.
    Create,
    /// Asking for a file's length.
    Len,
    /// Reading at a position.
    Read,
    /// Writing at a position.
    Write,
    /// Truncating or extending a file.
    SetLen,
    /// Syncing a file.
    Sync,
    /// Mapping a file.
    Map,
    /// Storing through a mapping, which cannot fail.
    Store,
    /// Renaming.
    Rename,
    /// Removing a name.
    Remove,
    /// Opening a directory to sync it.
    OpenDir,
    /// Syncing a directory.
    SyncDir,
    /// Locking a directory for writing.
    LockExclusive,
    /// Locking a directory for reading.
    LockShared,
    /// Drawing random bytes.
    Random,
}
