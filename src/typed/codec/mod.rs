//! Codecs, which encode keys and values as bytes and decode them: the trait [`Codec`] and its
//! implementations.
//!
//! | codec | items | bytes |
//! |---|---|---|
//! | [`Bytes`] | [`bytes::Bytes`] | the same bytes; reading copies nothing |
//! | [`Utf8`] | `String` | UTF-8 |
//! | [`U64`] | `u64` | 8 bytes, big-endian, which sort like the numbers |
//! | [`Varint`] | `i64` | 1 to 10 bytes, zig-zag LEB128, like Go's `binary.PutVarint` |
//! | `Json<T>` | serde types | JSON; feature `json` |
//! | `Postcard<T>` | serde types | postcard; feature `postcard` |
//! | `Bincode<T>` | serde types | bincode 2 or 1, for existing data; feature `bincode` |
//! | [`Opt<C>`] | `Option` of items of `C` | one byte, then the item |
//! | [`Versioned<C>`] | items of `C` | a version byte, then the item; reads older versions |
//! | `Zstd<C>`, `Lz4<C>` | items of `C` | compressed; features `zstd` and `lz4` |
//!
//! A codec for keys must encode equal keys as equal bytes, because keys are compared as bytes. All
//! of these codecs do, except for serde types that contain a map without an order, such as
//! `HashMap`.

#[cfg(feature = "bincode")]
mod bincode;
mod by_ref;
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
pub use self::by_ref::EncodeRef;
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
