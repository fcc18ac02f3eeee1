use std::sync::Arc;

use crate::segment::{Active, Growth, Seal};

/// What appending left to be done. Upkeep does it, after the locks are released.
#[derive(Debug, Default)]
#[must_use = "upkeep has to do it"]
pub(crate) struct Due {
    /// A segment that was begun.
    pub(crate) begun: Option<Arc<Active>>,
    /// The segment before it, which is to be synced and sealed.
    pub(crate) left_behind: Option<(Arc<Active>, Seal)>,
    /// Space that publishers will need soon.
    pub(crate) space: Option<SpaceAhead>,
}

/// Space that publishers will need soon.
#[derive(Debug)]
pub(crate) enum SpaceAhead {
    /// The active segment is to get more than it has.
    Grow(Arc<Active>, Growth),
    /// The file of the next segment is to be prepared.
    NextSegment,
}

impl Due {
    /// The `Due` to add to; created if nothing was due so far.
    pub(super) fn noted(due: &mut Option<Box<Due>>) -> &mut Due {
        due.get_or_insert_default()
    }
}
