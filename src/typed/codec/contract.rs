use std::sync::Arc;

/// The error of a codec: any error, or a text (`"not a colour".into()`).
pub type CodecError = Box<dyn std::error::Error + Send + Sync>;

/// Turns items of one type into bytes and back.
///
/// ```
/// use duramen::codec::{Codec, CodecError};
///
/// /// Colours as three bytes.
/// struct Rgb;
///
/// impl Codec for Rgb {
///     type Item = [u8; 3];
///
///     fn encode(&self, item: &[u8; 3], out: &mut Vec<u8>) -> Result<(), CodecError> {
///         out.extend_from_slice(item);
///         Ok(())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<[u8; 3], CodecError> {
///         Ok(bytes.try_into()?)
///     }
/// }
///
/// # fn main() -> duramen::Result<()> {
/// use duramen::{MemoryLog, Start, TLog, TNewMessage};
/// let log = TLog::new(MemoryLog::new(), duramen::codec::Utf8, Rgb);
/// log.publish(&[TNewMessage::new(&"sky".to_owned(), &[80, 160, 255])])?;
/// assert_eq!(log.get(Start::Newest)?.value, Some([80, 160, 255]));
/// # Ok(())
/// # }
/// ```
pub trait Codec: Send + Sync {
    /// The type of the items.
    type Item;

    /// Appends the encoded `item` to `out`, and leaves the bytes already in `out` unchanged.
    ///
    /// # Errors
    ///
    /// If the item cannot be encoded. The codec may have appended any bytes then.
    fn encode(&self, item: &Self::Item, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Decodes an item, which must take all of `bytes`.
    ///
    /// # Errors
    ///
    /// If the bytes are not an encoded item. For no bytes may this panic or take unbounded memory.
    fn decode(&self, bytes: &[u8]) -> Result<Self::Item, CodecError>;

    /// As [`decode`](Codec::decode), for codecs whose items can share the memory of the message.
    ///
    /// # Errors
    ///
    /// As `decode`.
    fn decode_shared(&self, bytes: &bytes::Bytes) -> Result<Self::Item, CodecError> {
        self.decode(bytes)
    }
}

macro_rules! forward_codec {
    ($($pointer:ty),+) => {$(
        impl<C: Codec + ?Sized> Codec for $pointer {
            type Item = C::Item;

            fn encode(&self, item: &C::Item, out: &mut Vec<u8>) -> Result<(), CodecError> {
                (**self).encode(item, out)
            }

            fn decode(&self, bytes: &[u8]) -> Result<C::Item, CodecError> {
                (**self).decode(bytes)
            }

            fn decode_shared(&self, bytes: &bytes::Bytes) -> Result<C::Item, CodecError> {
                (**self).decode_shared(bytes)
            }
        }
    )+};
}

forward_codec!(&C, Box<C>, Arc<C>);

/// Implements constructors and common traits for a codec that holds nothing but a type.
#[cfg(any(feature = "json", feature = "postcard"))]
macro_rules! codec_of_type {
    ($codec:ident) => {
        impl<T> $codec<T> {
            /// The codec for the type.
            #[must_use]
            pub const fn new() -> $codec<T> {
                $codec(PhantomData)
            }
        }

        impl<T> Default for $codec<T> {
            fn default() -> $codec<T> {
                $codec::new()
            }
        }

        impl<T> Clone for $codec<T> {
            fn clone(&self) -> $codec<T> {
                *self
            }
        }

        impl<T> Copy for $codec<T> {}

        impl<T> fmt::Debug for $codec<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($codec))
            }
        }
    };
}
#[cfg(any(feature = "json", feature = "postcard"))]
pub(super) use codec_of_type;
