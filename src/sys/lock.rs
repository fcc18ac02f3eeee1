use super::os::OsLock;

/// A lock on a log's directory, released when dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    #[expect(dead_code, reason = "held for what dropping it does")]
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    // Nothing is dead where there is no such lock.
    Os(#[allow(dead_code, reason = "held for what dropping it does")] OsLock),
    #[cfg(feature = "fault")]
    Sim(#[expect(dead_code, reason = "held for what dropping it does")] super::sim::SimLock),
}

impl DirLock {
    pub(super) fn os(lock: OsLock) -> DirLock {
        DirLock {
            inner: Inner::Os(lock),
        }
    }

    #[cfg(feature = "fault")]
    pub(super) fn sim(lock: super::sim::SimLock) -> DirLock {
        DirLock {
            inner: Inner::Sim(lock),
        }
    }
}
