use parking_lot::Mutex;

/// Things that are dear to make, for use by one thread at a time.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

/// More than threads encode at once is of no use.
const KEPT_MAX: usize = 64;

impl<T> Pool<T> {
    pub(super) fn new() -> Pool<T> {
        Pool(Mutex::new(Vec::new()))
    }

    /// Calls `work` with one of them; `make` makes it if all are taken.
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
