use super::{Codec, CodecError};

/// Numbers of 64 bits as 8 bytes, big-endian: the bytes have the order of the numbers.
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

/// Signed numbers of 64 bits in as few bytes as they need, 1 to 10: zig-zag LEB128, as `PutVarint` of Go's
/// `encoding/binary` writes them. The bytes do not have the order of the numbers.
///
/// As in Go, a number written in more bytes than it needs is read too; bytes behind it are an error.
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
        // Zig-zag: the sign goes to the lowest bit, so that small numbers of either sign are short.
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
        for (place, byte) in bytes.iter().enumerate() {
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte one bit is left.
            if place >= VARINT_LEN_MAX || (place == VARINT_LEN_MAX - 1 && *byte > 1) {
                return Err("the number does not fit in 64 bits".into());
            }
            zigzag |= bits << (7 * place);
            if byte & 0x80 == 0 {
                if place + 1 != bytes.len() {
                    return Err("there are bytes behind the number".into());
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
