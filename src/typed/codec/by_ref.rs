#[cfg(any(feature = "json", feature = "postcard"))]
use std::borrow::Borrow;
use std::sync::Arc;

#[cfg(any(feature = "json", feature = "postcard"))]
use serde::Serialize;

use super::{Bytes, Codec, CodecError, Utf8};

/// A codec that also encodes what its items lend, such as the `str` of a `String`: so nobody needs
/// to make an item only to look it up.
///
/// [`TLog::get_by_key_ref`](crate::TLog::get_by_key_ref) and its like take keys in this form.
///
/// ```
/// use duramen::codec::{Codec, CodecError, EncodeRef};
///
/// /// Names of files.
/// struct Path;
///
/// impl Codec for Path {
///     type Item = std::path::PathBuf;
///
///     fn encode(&self, item: &Self::Item, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         self.encode_ref(item.as_path(), out)
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<Self::Item, CodecError> {
///         Ok(std::str::from_utf8(bytes)?.into())
///     }
/// }
///
/// impl EncodeRef<std::path::Path> for Path {
///     fn encode_ref(&self, item: &std::path::Path, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         out.extend_from_slice(item.to_str().ok_or("not UTF-8")?.as_bytes());
///         Ok(())
///     }
/// }
///
/// # fn main() -> duramen::Result<()> {
/// use duramen::{MemoryLog, TLog, TNewMessage, codec};
/// let log = TLog::new(MemoryLog::new(), Path, codec::U64);
/// log.publish(&[TNewMessage::new(&"/tmp".into(), &7)])?;
/// assert_eq!(log.get_by_key_ref(std::path::Path::new("/tmp"))?.value, Some(7));
/// # Ok(())
/// # }
/// ```
pub trait EncodeRef<Q: ?Sized>: Codec {
    /// Appends to `out` what [`encode`](Codec::encode) appends for an item that lends `item`.
    ///
    /// # Errors
    ///
    /// As `encode`.
    fn encode_ref(&self, item: &Q, out: &mut Vec<u8>) -> Result<(), CodecError>;
}

impl EncodeRef<str> for Utf8 {
    fn encode_ref(&self, item: &str, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(item.as_bytes());
        Ok(())
    }
}

impl EncodeRef<[u8]> for Bytes {
    fn encode_ref(&self, item: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(item);
        Ok(())
    }
}

/// Serde writes what is lent like the item itself, as it does for `String`, `Vec` and `Box`.
#[cfg(feature = "json")]
impl<T, Q> EncodeRef<Q> for super::Json<T>
where
    T: Serialize + serde::de::DeserializeOwned + Borrow<Q>,
    Q: Serialize + ?Sized,
{
    fn encode_ref(&self, item: &Q, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(serde_json::to_writer(out, item)?)
    }
}

/// Serde writes what is lent like the item itself, as it does for `String`, `Vec` and `Box`.
#[cfg(feature = "postcard")]
impl<T, Q> EncodeRef<Q> for super::Postcard<T>
where
    T: Serialize + serde::de::DeserializeOwned + Borrow<Q>,
    Q: Serialize + ?Sized,
{
    fn encode_ref(&self, item: &Q, out: &mut Vec<u8>) -> Result<(), CodecError> {
        super::postcard::append(item, out)
    }
}

macro_rules! forward_encode_ref {
    ($($pointer:ty),+) => {$(
        impl<C: EncodeRef<Q> + ?Sized, Q: ?Sized> EncodeRef<Q> for $pointer {
            fn encode_ref(&self, item: &Q, out: &mut Vec<u8>) -> Result<(), CodecError> {
                (**self).encode_ref(item, out)
            }
        }
    )+};
}

forward_encode_ref!(&C, Box<C>, Arc<C>);
