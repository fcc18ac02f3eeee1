//! A read-only handle beside a writer: it finds out by looking what the writer has changed.

mod known;
mod listing;
mod look;
mod rebuild;
mod tails;

pub(super) use known::{KnownLives, Seen};
pub(crate) use look::until_it_fits;
pub(super) use look::{Beside, Find};
pub(super) use tails::Tails;
