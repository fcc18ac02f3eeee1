//! Waiting for messages: what wakes a reader, what it gets, and that it costs nothing meanwhile.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_SECONDS` | how long the crowd of readers and publishers runs; default 1 |

#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod ends;
mod follow;
#[path = "../common/minimal.rs"]
mod minimal;
#[cfg(feature = "stream")]
mod stream;
mod support;
mod waiting;
