use std::fmt;
use std::marker::PhantomData;

use bincode::config::{Config, legacy, standard};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError};
use crate::MESSAGE_SIZE_MAX;

/// Items of any serde type in bincode's binary form. Only with the feature `bincode`.
///
/// Use it only for existing data in this form, because bincode is no longer maintained. For new
/// data use `Postcard`.
///
/// ```
/// use duramen::codec::{Bincode, Codec, CodecError};
///
/// let mut out = Vec::new();
/// Bincode::new().encode(&(7_u64, "Ada".to_owned()), &mut out)?;
/// assert_eq!(out, b"\x07\x03Ada");
///
/// let bytes = b"\x07\0\0\0\x03\0\0\0\0\0\0\0Ada";
/// let (number, name): (u32, String) = Bincode::legacy().decode(bytes)?;
/// assert_eq!((number, name.as_str()), (7, "Ada"));
/// # Ok::<(), CodecError>(())
/// ```
pub struct Bincode<T> {
    is_legacy: bool,
    item: PhantomData<fn() -> T>,
}

/// The highest limit for lengths in encoded bytes.
#[expect(clippy::cast_possible_truncation, reason = "64 MiB")]
const LEN_MAX: usize = MESSAGE_SIZE_MAX as usize;

impl<T> Bincode<T> {
    /// The standard form of bincode 2: each number takes as few bytes as it needs.
    #[must_use]
    pub const fn new() -> Bincode<T> {
        Bincode {
            is_legacy: false,
            item: PhantomData,
        }
    }

    /// The default form of bincode 1: numbers and lengths have full width, little-endian.
    #[must_use]
    pub const fn legacy() -> Bincode<T> {
        Bincode {
            is_legacy: true,
            item: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> Codec for Bincode<T> {
    type Item = T;

    fn encode(&self, item: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.is_legacy {
            bincode::serde::encode_into_std_write(item, out, legacy())?;
        } else {
            bincode::serde::encode_into_std_write(item, out, standard())?;
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        if self.is_legacy {
            decode_all(bytes, legacy().with_limit::<LEN_MAX>())
        } else {
            decode_all(bytes, standard().with_limit::<LEN_MAX>())
        }
    }
}

fn decode_all<T: DeserializeOwned>(bytes: &[u8], config: impl Config) -> Result<T, CodecError> {
    let (item, len) = bincode::serde::decode_from_slice(bytes, config)?;
    if len < bytes.len() {
        return Err("there are bytes after the item".into());
    }
    Ok(item)
}

impl<T> Default for Bincode<T> {
    fn default() -> Bincode<T> {
        Bincode::new()
    }
}

impl<T> Clone for Bincode<T> {
    fn clone(&self) -> Bincode<T> {
        *self
    }
}

impl<T> Copy for Bincode<T> {}

impl<T> fmt::Debug for Bincode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_legacy {
            "Bincode(1)"
        } else {
            "Bincode(2)"
        })
    }
}
