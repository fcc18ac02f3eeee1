//! What every log must do, whatever it is made of: the contract of the trait `Log`, and what is built upon it.

#[cfg(feature = "testing")]
#[expect(dead_code, reason = "this program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "testing")]
#[path = "../common/minimal.rs"]
mod minimal;

#[cfg(feature = "testing")]
mod blocking;
#[cfg(feature = "fault")]
mod controls;
mod log_ext;
#[cfg(feature = "testing")]
mod suite;
#[cfg(all(
    feature = "bincode",
    feature = "json",
    feature = "lz4",
    feature = "postcard",
    feature = "zstd"
))]
mod typed;
