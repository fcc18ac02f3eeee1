//! Logs of [duramen] on [S2](https://s2.dev), a service for durable streams, for those who
//! outgrow one machine.
//!
//! An [`S2Log`] is a [`Log`](duramen::Log): code that takes any `Log` works with it. An [`S2Store`]
//! makes, lists and deletes the streams of a basin.
//!
//! ```no_run
//! use duramen::{Log, NewMessage, Start};
//! use duramen_s2::{S2Options, S2Store};
//!
//! # fn main() -> duramen::Result<()> {
//! let token = std::env::var("S2_ACCESS_TOKEN").expect("an access token");
//! let store = S2Store::connect("my-basin", &S2Options::new(token))?;
//! let log = store.open_or_create("orders")?;
//! log.publish(&[NewMessage::new(b"order-7", b"paid")])?;
//! for message in log.consume(Start::Oldest, 100)? {
//!     println!("{}: {:?}", message.offset, message.key);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a stream of S2 can do, and what it cannot, is said at [`S2Log`].

mod append;
mod bridge;
mod failure;
mod log;
mod mirror;
mod options;
mod reading;
mod record;
mod remote;
mod restore;
mod store;
mod waiting;

pub use log::S2Log;
pub use mirror::{Mirror, MirrorProgress};
pub use options::S2Options;
pub use restore::restore_from_s2;
pub use store::{S2Store, StreamPage};
