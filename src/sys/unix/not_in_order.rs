use memmap2::MmapRaw;

/// A second mapping of the bytes of another one, which this system cannot make. So one mapping has
/// to do for readers of both kinds, and the system decides how far it reads ahead.
#[derive(Debug)]
pub(in crate::sys) enum Twin {}

impl Twin {
    /// Whether there are any.
    pub(super) const IS_POSSIBLE: bool = false;

    pub(super) fn of(_: &MmapRaw) -> Option<Twin> {
        None
    }

    pub(in crate::sys) fn as_ptr(&self) -> *const u8 {
        match *self {}
    }
}
