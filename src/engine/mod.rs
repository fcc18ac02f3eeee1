//! L5: a log on files.

mod append;
mod backup;
mod beside;
mod copying;
mod file_log;
mod found_log;
mod import;
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

pub(crate) use backup::To;
pub(crate) use beside::{Glimpse, until_it_fits};
#[cfg(feature = "fault")]
pub use copying::restore_to;
pub use file_log::FileLog;
#[cfg(feature = "fault")]
pub use file_log::append_controls;
pub use import::{Import, ImportReport};
pub(crate) use prepare::was_closed;
pub use segments::{BatchBuf, Scan};
