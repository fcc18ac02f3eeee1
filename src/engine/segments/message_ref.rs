use std::ops::Range;

use crate::format::Layout;
use crate::{MessageRef, Timestamp};

/// Lends the message in a frame that was verified.
#[inline]
pub(super) fn lend<'a>(frame: &'a [u8], layout: &Layout, offset: u64, time: Timestamp) -> MessageRef<'a> {
    let part = |range: &Range<usize>| frame.get(range.clone()).unwrap_or_default();
    let (key, value) = (layout.key.as_ref().map(part), layout.value.as_ref().map(part));
    MessageRef::new(offset, time, key, value).with_block(part(&layout.headers))
}
