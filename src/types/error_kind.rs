/// What a caller can do about an [`Error`](crate::Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such message or log: carry on.
    Absent,
    /// An argument or option is wrong: correct the program.
    Usage,
    /// Another writer was first or has the log open, or the log has gone on in another way than the
    /// caller knows: read the current state, then decide.
    Conflict,
    /// The system refused and nothing was written: try again once there is space, or the permission
    /// or the file descriptors that were missing.
    NotWritten,
    /// A write was not confirmed and may or may not survive: open the log again and check.
    Unknown,
    /// The handle can no longer be used: open the log again.
    Unusable,
    /// The codec cannot read a message: skip it, or read its bytes.
    Undecodable,
    /// Stored bytes are damaged: run [`check`](crate::check), then [`recover`](crate::recover) or
    /// restore a backup.
    Corrupt,
    /// The caller's own handler has failed: see why.
    Handler,
    /// A backup, restore or import was interrupted: run it again.
    Unfinished,
}
