use parking_lot::Mutex;

/// A pool of objects that are expensive to make. Each is used by one thread at a time.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

/// The most objects to keep. There are rarely more threads that use the pool at once.
const KEPT_MAX: usize = 64;

impl<T> Pool<T> {
    pub(super) fn new() -> Pool<T> {
        Pool(Mutex::new(Vec::new()))
    }

    /// Calls `work` with an object of the pool, or with a new one from `make` if all are in use.
    pub(super) fn lend<R, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        work: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let kept = self.0.lock().pop();
        let mut lent = match kept {
            Some(kept) => kept,
            None => make()?,
        };
        let result = work(&mut lent);
        let mut kept = self.0.lock();
        if kept.len() < KEPT_MAX {
            kept.push(lent);
        }
        result
    }
}
