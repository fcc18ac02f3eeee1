use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::{Event, trace};

type Tell = dyn Fn(&Path, &Event) + Send + Sync;

/// Who is told, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<Tell>>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Path, &Event) + Send + Sync + 'static) -> Listener {
        Listener(Some(Arc::new(listener)))
    }

    /// Whether somebody is told.
    pub(crate) fn is_somebody(&self) -> bool {
        self.0.is_some() || trace::is_heard()
    }

    /// Whether there is a listener, besides what is traced.
    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what was traced already.
    pub(crate) fn tell_untraced(&self, dir: &Path, event: &Event) {
        if let Some(listener) = &self.0 {
            let _ = catch_unwind(AssertUnwindSafe(|| listener(dir, event)));
        }
    }

    /// Tells what happened to the log in `dir`. A listener that panics harms nobody.
    pub(crate) fn tell(&self, dir: &Path, event: &Event) {
        let _ = catch_unwind(|| trace::tell(dir, event));
        self.tell_untraced(dir, event);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}
