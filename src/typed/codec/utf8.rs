use super::{Codec, CodecError};

/// Text: `String`, as UTF-8. Bytes that are not UTF-8 cannot be decoded.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Utf8};
///
/// assert_eq!(Utf8.decode("naïve".as_bytes())?, "naïve");
/// assert!(Utf8.decode(b"\xff").is_err());
/// # Ok::<(), CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

impl Codec for Utf8 {
    type Item = String;

    fn encode(&self, item: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(item.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        Ok(std::str::from_utf8(bytes)?.to_owned())
    }
}
