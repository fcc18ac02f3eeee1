//! L1: what users see of a log: the trait [`Log`], its options, and what wakes those who wait.

mod changes;
mod contract;
mod durability;
mod options;
mod retention;

pub(crate) use retention::{Age, AgeCut};

pub use changes::{Changes, Watch};
pub use contract::Log;
pub use durability::Durability;
pub use options::Options;
pub use retention::Retention;
