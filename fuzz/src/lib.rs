//! What the fuzz targets that open logs share.

mod content;
pub mod control;
mod reading;
mod scratch;

pub use content::{Content, NAMES, with_messages};
pub use reading::{Reading, read_everything};
pub use scratch::{Files, Scratch};
