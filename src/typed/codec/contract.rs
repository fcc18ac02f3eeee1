use std::sync::Arc;

/// Why an item has no bytes, or bytes are no item: any error, or a text (`"not a colour".into()`).
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
    /// What it encodes.
    type Item;

    /// Appends the bytes of `item` to `out`, and leaves alone what is there already.
    ///
    /// # Errors
    ///
    /// When the item has no form in bytes. Then it does not matter what was appended.
    fn encode(&self, item: &Self::Item, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// The item that `bytes`, all of them, stand for.
    ///
    /// # Errors
    ///
    /// When they stand for none. Whatever the bytes, this must neither panic nor take memory without bounds.
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

/// What a codec needs that is nothing but a type.
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
