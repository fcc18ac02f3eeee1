//! L2: what users see of a log: the trait [`Log`], its options, and how waiting readers are woken.

// Macros are visible in the modules after their own: `declare_log!` in `contract`, and
// `forward_log!`, which `contract` declares, in the whole crate.
#[macro_use]
mod forward;
#[macro_use]
mod contract;

mod aging;
mod changes;
mod clock;
mod default;
mod durability;
mod event;
mod floor;
mod gather;
mod listener;
mod meter;
mod options;
mod reading;
mod retention;
mod tally;
mod timestamps;
mod trace;

pub(crate) use aging::{
    Aging, FirstYoung, Horizon, Leave, Moment, creation_time, is_creation_known, latest_clock,
};
pub(crate) use floor::Allowed;
pub(crate) use listener::Listener;
pub(crate) use meter::{Cause, Listed, Meter, Timed};
pub(crate) use reading::{Reading, Record};
pub(crate) use retention::{Age, AgeCut};
pub(crate) use tally::Tally;
pub(crate) use timestamps::{Stamp, stamped};
pub(crate) use trace::Span;

pub use changes::{Changes, Watch};
pub(crate) use changes::{wake_in, wake_no_more};
pub use clock::{Clock, ManualClock, SystemClock};
pub use contract::Log;
pub use durability::Durability;
pub use event::{Event, Job};
pub use floor::RetentionFloor;
pub(crate) use options::Admission;
pub use options::Options;
pub use retention::Retention;
pub use timestamps::TimestampPolicy;
