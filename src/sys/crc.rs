//! CRC32C by the processor's instructions.
//!
//! Most records are short, and there the crate `crc32c` spends more time on getting started than on
//! the bytes: 37 ns for 174 bytes, where a plain loop of the instruction takes 12. Long inputs are
//! three streams at a time, because an instruction takes three cycles, and one can be begun in each
//! cycle. The streams are put together by carry-less multiplication, as in Intel's paper "Fast CRC
//! Computation for iSCSI Polynomial Using CRC32 Instruction" (Gopal and others, 2011). Where the
//! processor has no such instructions, the crate does it. docs/design.md has the figures.

/// CRC32C of `bytes`, going on from `seed`.
#[inline]
pub(crate) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if has_instructions() {
        // SAFETY: the processor has both features, as was just asked.
        #[expect(unsafe_code, reason = "instructions that not every processor has")]
        return unsafe { x86::crc32c(seed, bytes) };
    }
    ::crc32c::crc32c_append(seed, bytes)
}

/// CRC32C of three parts, one behind the other, going on from `seed`.
///
/// They are arguments and no array: an array goes through memory, and loading what has just been
/// stored in pieces of another size takes longer than the checksum of a short part.
#[inline]
pub(crate) fn crc32c_of_three(seed: u32, first: &[u8], second: &[u8], third: &[u8]) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if has_instructions() {
        // SAFETY: the processor has both features, as was just asked.
        #[expect(unsafe_code, reason = "instructions that not every processor has")]
        return unsafe { x86::crc32c_of_three(seed, first, second, third) };
    }
    let sum = ::crc32c::crc32c_append(seed, first);
    ::crc32c::crc32c_append(::crc32c::crc32c_append(sum, second), third)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn has_instructions() -> bool {
    is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("pclmulqdq")
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86 {
    use std::arch::x86_64::{
        _mm_clmulepi64_si128, _mm_crc32_u8, _mm_crc32_u16, _mm_crc32_u32, _mm_crc32_u64, _mm_cvtsi32_si128,
        _mm_cvtsi128_si64,
    };

    /// Bytes from which on three streams take less time than one.
    const STREAMS_MIN: usize = 256;
    /// Words of 8 bytes in each stream, at most.
    const WORDS_MAX: usize = 128;
    /// By the number of words in a stream: what moves the sums of the first and the second stream
    /// behind the third.
    const MOVES: [(u32, u32); WORDS_MAX + 1] = moves();

    #[target_feature(enable = "sse4.2,pclmulqdq")]
    pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
        !go_on(!seed, bytes)
    }

    #[target_feature(enable = "sse4.2,pclmulqdq")]
    pub(super) fn crc32c_of_three(seed: u32, first: &[u8], second: &[u8], third: &[u8]) -> u32 {
        !go_on(go_on(go_on(!seed, first), second), third)
    }

    #[inline]
    #[target_feature(enable = "sse4.2,pclmulqdq")]
    fn go_on(sum: u32, bytes: &[u8]) -> u32 {
        if bytes.len() < STREAMS_MIN {
            in_order(sum, bytes)
        } else {
            go_on_long(sum, bytes)
        }
    }

    /// This stands apart, so that short parts need not save the registers that it uses.
    #[inline(never)]
    #[target_feature(enable = "sse4.2,pclmulqdq")]
    fn go_on_long(mut sum: u32, mut bytes: &[u8]) -> u32 {
        while bytes.len() >= STREAMS_MIN {
            (sum, bytes) = in_streams(sum, bytes);
        }
        in_order(sum, bytes)
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is zero")]
    fn in_order(sum: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut wide = u64::from(sum);
        for word in words {
            wide = _mm_crc32_u64(wide, u64::from_le_bytes(*word));
        }
        let (mut sum, mut rest) = (wide as u32, rest);
        if let Some((four, behind)) = rest.split_first_chunk() {
            sum = _mm_crc32_u32(sum, u32::from_le_bytes(*four));
            rest = behind;
        }
        if let Some((two, behind)) = rest.split_first_chunk() {
            sum = _mm_crc32_u16(sum, u16::from_le_bytes(*two));
            rest = behind;
        }
        rest.first().map_or(sum, |one| _mm_crc32_u8(sum, *one))
    }

    /// Goes through three streams of words and one word behind them; returns the sum, and the bytes
    /// behind. There are at least 32 bytes.
    #[inline]
    #[target_feature(enable = "sse4.2,pclmulqdq")]
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is zero")]
    fn in_streams(sum: u32, bytes: &[u8]) -> (u32, &[u8]) {
        let (all, _) = bytes.as_chunks::<8>();
        let count = ((all.len().saturating_sub(1)) / 3).min(WORDS_MAX);
        let (first, behind) = all.split_at(count);
        let (second, behind) = behind.split_at(count);
        let (third, behind) = behind.split_at(count);
        let mut sums = (u64::from(sum), 0, 0);
        for ((a, b), c) in first.iter().zip(second).zip(third) {
            sums.0 = _mm_crc32_u64(sums.0, u64::from_le_bytes(*a));
            sums.1 = _mm_crc32_u64(sums.1, u64::from_le_bytes(*b));
            sums.2 = _mm_crc32_u64(sums.2, u64::from_le_bytes(*c));
        }
        let moved = moved(sums.0 as u32, MOVES[count].0) ^ moved(sums.1 as u32, MOVES[count].1);
        // The word behind the streams reduces the product as well.
        let last = behind.first().map_or(0, |word| u64::from_le_bytes(*word));
        let sum = _mm_crc32_u64(sums.2, last ^ moved) as u32;
        (sum, &bytes[8 * (3 * count + 1)..])
    }

    /// The carry-less product of a sum and a power of x.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn moved(sum: u32, power: u32) -> u64 {
        let (sum, power) = (
            _mm_cvtsi32_si128(sum.cast_signed()),
            _mm_cvtsi32_si128(power.cast_signed()),
        );
        let product = _mm_clmulepi64_si128::<0>(sum, power);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }

    const fn moves() -> [(u32, u32); WORDS_MAX + 1] {
        let mut moves = [(0, 0); WORDS_MAX + 1];
        let mut count = 1;
        while count <= WORDS_MAX {
            // The instruction that reduces the product moves it by a word, and the product of two
            // reflected numbers is one bit short.
            moves[count] = (
                power_of_x((16 * count + 8) * 8 - 33),
                power_of_x((8 * count + 8) * 8 - 33),
            );
            count += 1;
        }
        moves
    }

    /// x to the power of `exponent`, modulo the polynomial of CRC32C, reflected.
    const fn power_of_x(exponent: usize) -> u32 {
        let (mut result, mut square, mut exponent) = (1 << 31, 1 << 30, exponent);
        while exponent > 0 {
            if exponent % 2 == 1 {
                result = product(result, square);
            }
            square = product(square, square);
            exponent /= 2;
        }
        result
    }

    /// The product of two reflected polynomials, modulo that of CRC32C.
    const fn product(a: u32, mut b: u32) -> u32 {
        const POLYNOMIAL: u32 = 0x82f6_3b78;
        let (mut result, mut bit) = (0, 1 << 31);
        while bit != 0 {
            if a & bit != 0 {
                result ^= b;
            }
            b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
            bit >>= 1;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    /// Goal: the sum is that of the crate, and of RFC 3720, for every length, place and division.
    #[test]
    fn all_ways_give_the_same_sum() {
        const LEN_MAX: usize = if cfg!(miri) { 300 } else { 4000 };
        let bytes: Vec<u8> = (0..LEN_MAX as u64 + 9)
            .map(|n| (n * n).to_le_bytes()[1])
            .collect();
        for (seed, len) in (0..).zip(0..LEN_MAX) {
            let at = len % 9;
            let part = &bytes[at..at + len];
            let expected = ::crc32c::crc32c_append(seed, part);
            assert_eq!(super::crc32c(seed, part), expected, "{len} bytes");
            let (start, rest) = part.split_at(len / 3);
            let (middle, end) = rest.split_at(rest.len() / 2);
            assert_eq!(
                super::crc32c_of_three(seed, start, middle, end),
                expected,
                "{len} bytes in parts"
            );
        }
        assert_eq!(super::crc32c(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(super::crc32c_of_three(0, b"12345", b"", b"6789"), 0xe306_9283);
    }
}
