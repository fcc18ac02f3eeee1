/// A small random number generator (`SplitMix64`, Steele, Lea and Flood 2014). Its numbers depend
/// only on its seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 128 bits.
    pub(super) fn bits(&mut self) -> [u8; 16] {
        let (low, high) = (self.next(), self.next());
        ((u128::from(high) << 64) | u128::from(low)).to_le_bytes()
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 1)
            .unwrap_or(usize::MAX)
            .checked_rem(bound)
            .unwrap_or(0)
    }
}

/// A seed that depends on both arguments.
pub(super) fn mix(seed: u64, with: u64) -> u64 {
    Random::new(seed ^ with.wrapping_mul(0xd6e8_feb8_6659_fd93)).next()
}
