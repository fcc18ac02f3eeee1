//! L6: logs whose keys and values have any type, over any [`Log`](crate::Log).

pub mod codec;

mod blocking;
mod by_ref;
mod codecs;
mod control;
mod handle;
mod message;
mod producer;
mod scratch;

pub use blocking::{TBlockingLog, TFollow};
pub use codec::Codec;
pub(crate) use codecs::Codecs;
pub use control::TReadBatch;
pub use handle::TLog;
pub use message::{TBatch, TMessage, TNewMessage};
pub use producer::TProducer;
