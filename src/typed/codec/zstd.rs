use std::fmt;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use super::pool::Pool;
use super::{Codec, CodecError};
use crate::MESSAGE_SIZE_MAX;

/// Items of another codec, each compressed with Zstandard. Only with the feature `zstd`.
///
/// Useful for values of some hundred bytes or more. An item that would decompress to more than
/// [`len_max`](Zstd::len_max) bytes, by default 64 MiB, cannot be decoded.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Utf8, Zstd};
///
/// let texts = Zstd::new(Utf8);
/// let (text, mut out) = ("over and ".repeat(100), Vec::new());
/// texts.encode(&text, &mut out)?;
/// assert!(out.len() < 50);
/// assert_eq!(texts.decode(&out)?, text);
/// # Ok::<(), CodecError>(())
/// ```
pub struct Zstd<C> {
    codec: C,
    level: i32,
    len_max: usize,
    compressors: Pool<(Compressor<'static>, Vec<u8>)>,
    decompressors: Pool<Decompressor<'static>>,
}

impl<C: Codec> Zstd<C> {
    /// Compresses the items of `codec` at level 3.
    pub fn new(codec: C) -> Zstd<C> {
        Zstd {
            codec,
            level: zstd::DEFAULT_COMPRESSION_LEVEL,
            len_max: usize::try_from(MESSAGE_SIZE_MAX).unwrap_or(usize::MAX),
            compressors: Pool::new(),
            decompressors: Pool::new(),
        }
    }

    /// Compresses at another level, from 1 (fastest) to 22 (smallest results).
    #[must_use]
    pub fn level(mut self, level: i32) -> Zstd<C> {
        self.level = level;
        self.compressors = Pool::new();
        self
    }

    /// The largest size of a decompressed item, in bytes.
    #[must_use]
    pub fn len_max(mut self, len_max: usize) -> Zstd<C> {
        self.len_max = len_max;
        self
    }
}

impl<C: Codec> Codec for Zstd<C> {
    type Item = C::Item;

    fn encode(&self, item: &C::Item, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let make = || Ok((Compressor::new(self.level)?, Vec::new()));
        self.compressors.lend(make, |(compressor, plain)| {
            plain.clear();
            self.codec.encode(item, plain)?;
            let start = out.len();
            out.resize(start + zstd_safe::compress_bound(plain.len()), 0);
            let len = compressor.compress_to_buffer(plain, &mut out[start..])?;
            out.truncate(start + len);
            Ok(())
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<C::Item, CodecError> {
        let make = || Ok::<_, CodecError>(Decompressor::new()?);
        let plain = self.decompressors.lend(make, |decompressor| {
            Ok(decompressor.decompress(bytes, self.len_max)?)
        })?;
        self.codec.decode_shared(&plain.into())
    }
}

impl<C: Codec + Clone> Clone for Zstd<C> {
    fn clone(&self) -> Zstd<C> {
        Zstd::new(self.codec.clone())
            .level(self.level)
            .len_max(self.len_max)
    }
}

impl<C: fmt::Debug> fmt::Debug for Zstd<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd")
            .field("codec", &self.codec)
            .field("level", &self.level)
            .field("len_max", &self.len_max)
            .finish_non_exhaustive()
    }
}
