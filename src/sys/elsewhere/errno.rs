use std::io::ErrorKind;

/// The errors that the simulated disk returns. The kinds have to do where the system's own errors
/// have other numbers.
pub(in crate::sys) struct Errno;

impl Errno {
    pub(in crate::sys) const IO: ErrorKind = ErrorKind::Other;
    pub(in crate::sys) const NOSPC: ErrorKind = ErrorKind::StorageFull;
    pub(in crate::sys) const DQUOT: ErrorKind = ErrorKind::QuotaExceeded;
    pub(in crate::sys) const MFILE: ErrorKind = ErrorKind::Other;
    pub(in crate::sys) const NOMEM: ErrorKind = ErrorKind::OutOfMemory;
    pub(in crate::sys) const ROFS: ErrorKind = ErrorKind::ReadOnlyFilesystem;
    pub(in crate::sys) const ACCESS: ErrorKind = ErrorKind::PermissionDenied;
    pub(in crate::sys) const INTR: ErrorKind = ErrorKind::Interrupted;
}
