/// How much of a segment readers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) count: u32,
    pub(crate) end: u32,
}

impl Visible {
    pub(super) fn pack(self) -> u64 {
        u64::from(self.count) << 32 | u64::from(self.end)
    }

    pub(super) fn unpack(packed: u64) -> Visible {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Visible {
            count: (packed >> 32) as u32,
            end: packed as u32,
        }
    }
}
