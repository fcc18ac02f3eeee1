use std::fmt::Debug;

/// Counts what happens to a log in places that only the engine knows. The methods may be called
/// under any lock of the log.
pub(crate) trait Tally: Debug + Send + Sync {
    /// Everything that was written was brought to stable storage.
    fn synced(&self);
}
