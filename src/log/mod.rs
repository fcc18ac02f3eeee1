//! L5: the trait [`Log`] and its implementation over files.

mod contract;
mod durability;
mod options;

pub use contract::Log;
pub use durability::Durability;
pub use options::Options;
