use std::fmt;
use std::marker::PhantomData;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError};

/// Items of any serde type in the binary form of
/// [postcard](https://postcard.jamesmunns.com/wire-format), which is small and fast. Choose it for
/// new data. Only with the feature `postcard`.
///
/// The form holds no field names. If the type may change, put [`Versioned`](super::Versioned)
/// around the codec.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Postcard};
///
/// let pairs = Postcard::<Vec<(u8, String)>>::new();
/// let mut out = Vec::new();
/// pairs.encode(&vec![(7, "Ada".to_owned())], &mut out)?;
/// assert_eq!(out, b"\x01\x07\x03Ada");
/// # Ok::<(), CodecError>(())
/// ```
pub struct Postcard<T>(PhantomData<fn() -> T>);

super::contract::codec_of_type!(Postcard);

/// Lets postcard append to a vector.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends an item, or what one lends.
pub(super) fn append(item: &(impl Serialize + ?Sized), out: &mut Vec<u8>) -> Result<(), CodecError> {
    Ok(postcard::serialize_with_flavor(item, Append(out))?)
}

impl<T: Serialize + DeserializeOwned> Codec for Postcard<T> {
    type Item = T;

    fn encode(&self, item: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        append(item, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        match postcard::take_from_bytes(bytes)? {
            (item, []) => Ok(item),
            _ => Err("there are bytes after the item".into()),
        }
    }
}
