use std::fmt;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::pool::Pool;
use super::{Codec, CodecError};
use crate::MESSAGE_SIZE_MAX;

/// Items of another codec, each compressed with LZ4: the uncompressed length in four bytes,
/// little-endian, then one LZ4 block. Only with the feature `lz4`.
///
/// Faster than `Zstd`, with larger results. An item that would decompress to more than
/// [`len_max`](Lz4::len_max) bytes, by default 64 MiB, cannot be decoded.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Lz4, Utf8};
///
/// let texts = Lz4::new(Utf8);
/// let (text, mut out) = ("over and ".repeat(100), Vec::new());
/// texts.encode(&text, &mut out)?;
/// assert!(out.len() < 50);
/// assert_eq!(texts.decode(&out)?, text);
/// # Ok::<(), CodecError>(())
/// ```
pub struct Lz4<C> {
    codec: C,
    len_max: usize,
    tables: Pool<(CompressTable, Vec<u8>)>,
}

impl<C: Codec> Lz4<C> {
    /// Compresses the items of `codec`.
    pub fn new(codec: C) -> Lz4<C> {
        Lz4 {
            codec,
            len_max: usize::try_from(MESSAGE_SIZE_MAX).unwrap_or(usize::MAX),
            tables: Pool::new(),
        }
    }

    /// The largest size of a decompressed item, in bytes.
    #[must_use]
    pub fn len_max(mut self, len_max: usize) -> Lz4<C> {
        self.len_max = len_max;
        self
    }
}

impl<C: Codec> Codec for Lz4<C> {
    type Item = C::Item;

    fn encode(&self, item: &C::Item, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let make = || Ok((CompressTable::default(), Vec::new()));
        self.tables.lend(make, |(table, plain)| {
            plain.clear();
            self.codec.encode(item, plain)?;
            out.extend_from_slice(&u32::try_from(plain.len())?.to_le_bytes());
            let start = out.len();
            out.resize(start + get_maximum_output_size(plain.len()), 0);
            let len = compress_into_with_table(plain, &mut out[start..], table)?;
            out.truncate(start + len);
            Ok(())
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<C::Item, CodecError> {
        let (len, block) = bytes.split_first_chunk().ok_or("the length is missing")?;
        let len = usize::try_from(u32::from_le_bytes(*len))?;
        // A byte of a block stands for at most 255 bytes. A larger length is false, and no memory
        // is allocated for it.
        if len > self.len_max || len / 255 > block.len() {
            return Err(format!("a length of {len} bytes is too large").into());
        }
        let mut plain = vec![0; len];
        if decompress_into(block, &mut plain)? != len {
            return Err("the item is shorter than its length says".into());
        }
        self.codec.decode_shared(&plain.into())
    }
}

impl<C: Codec + Clone> Clone for Lz4<C> {
    fn clone(&self) -> Lz4<C> {
        Lz4::new(self.codec.clone()).len_max(self.len_max)
    }
}

impl<C: fmt::Debug> fmt::Debug for Lz4<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lz4")
            .field("codec", &self.codec)
            .field("len_max", &self.len_max)
            .finish_non_exhaustive()
    }
}
