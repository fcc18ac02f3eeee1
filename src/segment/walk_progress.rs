use super::copy_buffer::CopyBuffer;
use super::extent::{Entry, Extent, WalkEnd};
use super::told::Told;

/// How far a walk in steps has come.
#[derive(Debug)]
pub(crate) struct WalkProgress {
    pub(crate) extent: Extent,
    pub(super) buffer: CopyBuffer,
    /// The records of the batch that is being verified.
    pub(super) entries: Vec<Entry>,
    /// What they say besides, if somebody wants to know.
    pub(super) told: Option<Told>,
}

impl WalkProgress {
    /// A walk that has come as far as `extent`, and notes what records say.
    pub(super) fn at(extent: Extent) -> WalkProgress {
        WalkProgress {
            extent,
            buffer: CopyBuffer::default(),
            entries: Vec::new(),
            told: Some(Told::default()),
        }
    }

    /// Forgets the bytes that were read ahead, because more may have been written since: most often
    /// a few messages.
    pub(super) fn look_again(&mut self) {
        self.buffer.expect_little();
        self.extent.stop = WalkEnd::Limit;
    }

    /// What the records say that were visited since the last call.
    pub(super) fn take_told(&mut self) -> Told {
        self.told.replace(Told::default()).unwrap_or_default()
    }
}
