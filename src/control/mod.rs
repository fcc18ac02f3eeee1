//! What a log remembers of its records besides the records: its token, its seal, its latest time,
//! and what its producers have published. And who may publish, by that.

mod guard;
mod producers;
mod state;

pub(crate) use guard::{Guard, Noted, check_offset};
pub(crate) use producers::{ProducerBatch, Producers, STORED_LEN_MAX};
pub(crate) use state::{CONTROL_STATE_LEN, ControlState};
