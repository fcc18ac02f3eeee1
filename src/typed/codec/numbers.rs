use super::{Codec, CodecError};

/// Unsigned 64-bit numbers as 8 bytes, big-endian. The bytes sort like the numbers.
///
/// ```
/// use duramen::codec::{Codec, CodecError, U64};
///
/// let mut out = Vec::new();
/// U64.encode(&258, &mut out)?;
/// assert_eq!(out, [0, 0, 0, 0, 0, 0, 1, 2]);
/// # Ok::<(), CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct U64;

impl Codec for U64 {
    type Item = u64;

    fn encode(&self, item: &u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(&item.to_be_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(bytes.try_into()?))
    }
}

/// Signed 64-bit numbers in as few bytes as they need, 1 to 10: zig-zag LEB128, the form that
/// `PutVarint` of Go's `encoding/binary` writes. The bytes do not sort like the numbers.
///
/// As in Go, a number in more bytes than it needs can be decoded. Bytes after the number are an
/// error.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Varint};
///
/// let mut out = Vec::new();
/// Varint.encode(&-2, &mut out)?;
/// assert_eq!(out, [3]);
/// assert_eq!(Varint.decode(&[0x80, 0x01])?, 64);
/// # Ok::<(), CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Varint;

const VARINT_LEN_MAX: usize = 10;

impl Codec for Varint {
    type Item = i64;

    fn encode(&self, item: &i64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // Zig-zag moves the sign to the lowest bit, so that small numbers of either sign are short.
        let mut rest = ((item << 1) ^ (item >> 63)).cast_unsigned();
        while rest >= 0x80 {
            out.push(low_bits(rest) | 0x80);
            rest >>= 7;
        }
        out.push(low_bits(rest));
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<i64, CodecError> {
        let mut zigzag = 0_u64;
        for (index, byte) in bytes.iter().enumerate() {
            let bits = u64::from(byte & 0x7f);
            // Only one bit of the tenth byte fits in 64 bits.
            if index >= VARINT_LEN_MAX || (index == VARINT_LEN_MAX - 1 && *byte > 1) {
                return Err("the number does not fit in 64 bits".into());
            }
            zigzag |= bits << (7 * index);
            if byte & 0x80 == 0 {
                if index + 1 != bytes.len() {
                    return Err("there are bytes after the number".into());
                }
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err("the number does not end".into())
    }
}

fn low_bits(number: u64) -> u8 {
    (number & 0x7f) as u8
}
