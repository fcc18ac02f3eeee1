//! How keys and values become bytes, and bytes keys and values: the [`Codec`] and those there are.
//!
//! | codec | items | bytes |
//! |---|---|---|
//! | [`Bytes`] | [`bytes::Bytes`] | themselves; reading copies nothing |
//! | [`Utf8`] | `String` | UTF-8 |
//! | [`U64`] | `u64` | 8, big-endian: bytes order as the numbers do |
//! | [`Varint`] | `i64` | 1 to 10, zig-zag LEB128, as Go's `binary.PutVarint` writes them |
//! | `Json<T>` | what serde knows | JSON; feature `json` |
//! | `Postcard<T>` | what serde knows | [postcard](https://postcard.jamesmunns.com/wire-format); feature `postcard` |
//! | `Bincode<T>` | what serde knows | bincode 2 or 1, for data that is there already; feature `bincode` |
//! | [`Opt<C>`] | `Option` of `C`'s | one byte in front |
//! | [`Versioned<C>`] | those of `C` | a version in front; reads what older versions wrote |
//! | `Zstd<C>`, `Lz4<C>` | those of `C` | compressed; features `zstd` and `lz4` |
//!
//! A codec for keys must encode equal keys as equal bytes, because keys are compared as bytes. That is so for all
//! of these, except where serde is given a map without an order, such as `HashMap`.

#[cfg(feature = "bincode")]
mod bincode;
mod bytes;
mod contract;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "lz4")]
mod lz4;
mod numbers;
mod opt;
#[cfg(any(feature = "lz4", feature = "zstd"))]
mod pool;
#[cfg(feature = "postcard")]
mod postcard;
mod utf8;
mod versioned;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(feature = "bincode")]
pub use self::bincode::Bincode;
pub use self::bytes::Bytes;
pub use self::contract::{Codec, CodecError};
#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "lz4")]
pub use self::lz4::Lz4;
pub use self::numbers::{U64, Varint};
pub use self::opt::Opt;
#[cfg(feature = "postcard")]
pub use self::postcard::Postcard;
pub use self::utf8::Utf8;
pub use self::versioned::Versioned;
#[cfg(feature = "zstd")]
pub use self::zstd::Zstd;
