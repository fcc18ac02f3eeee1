use super::{Codec, CodecError};

/// Bytes as they are: [`bytes::Bytes`]. Reading copies nothing: the item shares the message's
/// memory, and with it that of the whole batch. [`TMessage::detach`](crate::TMessage::detach)
/// copies.
///
/// ```
/// use duramen::codec::{self, Codec};
///
/// let mut out = Vec::new();
/// codec::Bytes.encode(&"as it is".into(), &mut out)?;
/// assert_eq!(out, b"as it is");
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

impl Codec for Bytes {
    type Item = bytes::Bytes;

    fn encode(&self, item: &bytes::Bytes, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(item);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<bytes::Bytes, CodecError> {
        Ok(bytes::Bytes::copy_from_slice(bytes))
    }

    fn decode_shared(&self, bytes: &bytes::Bytes) -> Result<bytes::Bytes, CodecError> {
        Ok(bytes.clone())
    }
}
