//! Appending batches to a log, and making them durable.

mod appender;
mod batch;
mod context;
mod due;
mod framing;
mod frontiers;
mod group_commit;
mod keep_producers;
mod publish;
mod published;
mod rollover;
mod saved_producers;
mod special;
mod staged;
mod syncing;
mod waiting;

pub(crate) use appender::Appender;
pub(super) use batch::check_message_size;
pub(crate) use due::{Due, SpaceAhead};
pub(crate) use publish::Append;
pub(crate) use published::Published;
