use super::{Codec, CodecError};

/// `Option` of the items of another codec: one byte, 0 for `None` or 1 for `Some`, then the item.
///
/// Use it if `None` is a value of its own. A message without any value is a tombstone and needs no
/// codec.
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
    /// Reads the first byte. Calls `inner` with the length of the item, if there is one.
    #[expect(clippy::unused_self, reason = "it names the types")]
    fn split(
        &self,
        bytes: &[u8],
        inner: impl FnOnce(usize) -> Result<C::Item, CodecError>,
    ) -> Result<Option<C::Item>, CodecError> {
        match bytes {
            [NONE] => Ok(None),
            [SOME, item @ ..] => inner(item.len()).map(Some),
            _ => Err("the first byte is neither 0 nor 1".into()),
        }
    }
}
