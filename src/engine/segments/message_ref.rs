use std::ops::Range;

use crate::Timestamp;
use crate::format::{Layout, first_header};

/// A message that a [`Scan`](crate::Scan) or a [`BatchBuf`](crate::BatchBuf) lends: its bytes are
/// valid until that reads more.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    /// Its logical place in the log.
    pub offset: u64,
    /// The time it was published with.
    pub time: Timestamp,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` with a key is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [u8],
}

impl<'a> MessageRef<'a> {
    /// The message in a frame that was verified.
    #[inline]
    pub(super) fn of(frame: &'a [u8], layout: &Layout, offset: u64, time: Timestamp) -> MessageRef<'a> {
        let part = |range: &Range<usize>| frame.get(range.clone()).unwrap_or_default();
        MessageRef {
            offset,
            time,
            key: layout.key.as_ref().map(part),
            value: layout.value.as_ref().map(part),
            headers: part(&layout.headers),
        }
    }

    /// Names and values of the headers, in the order they were published in.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.headers;
        std::iter::from_fn(move || {
            let (pair, behind) = first_header(rest)?;
            rest = behind;
            Some(pair)
        })
    }
}
