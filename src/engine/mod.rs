//! L5: a log on files.

mod append;
mod backup;
mod beside;
mod file_log;
mod found_log;
mod open;
mod open_log;
mod prepare;
mod publishing;
mod recovery;
mod remove;
mod segments;
mod teller;
#[cfg(test)]
mod tests;
mod upkeep;

pub(crate) use beside::{Glimpse, until_it_fits};
pub use file_log::FileLog;
#[cfg(feature = "fault")]
pub use file_log::{append_controls, restore_to};
pub(crate) use prepare::was_closed;
pub use segments::{BatchBuf, Scan};
