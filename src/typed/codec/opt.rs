use super::{Codec, CodecError};

/// An item or none: `Option` of the items of another codec. One byte, 0 or 1, and then the item.
///
/// For "none" as a *value*: a message without a value at all is a tombstone, and needs no codec.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Opt, Utf8};
///
/// let mut out = Vec::new();
/// Opt(Utf8).encode(&Some(String::new()), &mut out)?;
/// assert_eq!(out, [1]);
/// assert_eq!(Opt(Utf8).decode(&[0])?, None);
/// # Ok::<(), CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Opt<C>(pub C);

const NONE: u8 = 0;
const SOME: u8 = 1;

impl<C: Codec> Codec for Opt<C> {
    type Item = Option<C::Item>;

    fn encode(&self, item: &Option<C::Item>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match item {
            None => out.push(NONE),
            Some(item) => {
                out.push(SOME);
                self.0.encode(item, out)?;
            }
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Option<C::Item>, CodecError> {
        self.split(bytes, |inner| self.0.decode(&bytes[bytes.len() - inner..]))
    }

    fn decode_shared(&self, bytes: &bytes::Bytes) -> Result<Option<C::Item>, CodecError> {
        self.split(bytes, |inner| {
            self.0.decode_shared(&bytes.slice(bytes.len() - inner..))
        })
    }
}

impl<C: Codec> Opt<C> {
    /// Looks at the first byte, and has the inner item decoded if there is one, given its length.
    #[expect(clippy::unused_self, reason = "it names the types")]
    fn split(
        &self,
        bytes: &[u8],
        inner: impl FnOnce(usize) -> Result<C::Item, CodecError>,
    ) -> Result<Option<C::Item>, CodecError> {
        match bytes {
            [NONE] => Ok(None),
            [SOME, item @ ..] => inner(item.len()).map(Some),
            _ => Err("neither an item nor none".into()),
        }
    }
}
