//! Waiting for messages: what wakes a reader, what it gets, and that it costs nothing meanwhile.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_SECONDS` | how long the crowd of readers and publishers runs; default 1 |

mod bounded;
mod crowd;
#[cfg(feature = "fault")]
mod ends;
mod follow;
#[cfg(feature = "stream")]
mod stream;
mod support;
mod waiting;
