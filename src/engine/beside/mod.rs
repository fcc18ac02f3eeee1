//! A read-only handle beside a writer: it finds out by looking what the writer has changed.

mod glimpse;
mod known;
mod listing;
mod look;
mod rebuild;
mod tails;

pub(crate) use glimpse::{Glimpse, until_it_fits};
pub(super) use known::{KnownLives, Seen};
pub(super) use look::{Beside, Find};
pub(super) use tails::Tails;
