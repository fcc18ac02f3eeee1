use std::ops::Range;

use super::current::Segments;
use super::reader::Reader;
use crate::format::{
    BATCH_HEADER_LEN, Frame, LONE_HEADER_LEN, Layout, are_headers_whole, first_header, is_intact,
};
use crate::segment::{CopyBuffer, Held};
use crate::{Corruption, Error, Result, Start, Timestamp};

/// A message that a [`Scan`] lends: its bytes are valid until the scan moves on.
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

/// Lends messages in offset order from a buffer that moves along; see
/// [`FileLog::scan`](crate::FileLog::scan).
#[derive(Debug)]
pub struct Scan<'a> {
    segments: &'a Segments,
    next_offset: u64,
    stretch: Option<Stretch>,
    buffer: CopyBuffer,
}

/// Consecutive records in one segment. The segment is held so that nobody releases its files
/// meanwhile.
#[derive(Debug)]
struct Stretch {
    held: Held,
    ordinal: u32,
    end_ordinal: u32,
    position: u64,
    end: u64,
    is_dense: bool,
}

/// Where in the buffer a message was found.
struct Located {
    position: u64,
    len: usize,
    offset: u64,
    time: Timestamp,
    layout: Layout,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(segments: &'a Segments, from: Start) -> Result<Scan<'a>> {
        let next_offset = Reader::with(segments, |reader| reader.resolve(from))?;
        Ok(Scan {
            segments,
            next_offset,
            stretch: None,
            buffer: CopyBuffer::default(),
        })
    }

    /// The offset at which the scan goes on.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The next message; `None` at the end of the log. A later call may go on from there.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] for a damaged message, again at each call; [`Error::OffsetOutOfRange`]
    /// ([`is_trimmed`](Error::is_trimmed)) when a trim has overtaken the scan; [`Error::Io`] when a
    /// segment cannot be opened, after which the call can be repeated; [`Error::Closed`] after the
    /// log was closed.
    #[expect(
        clippy::should_implement_trait,
        reason = "the message borrows from the scan, as an iterator's cannot"
    )]
    pub fn next(&mut self) -> Result<Option<MessageRef<'_>>> {
        let Some(located) = self.find()? else {
            return Ok(None);
        };
        let Some(stretch) = &self.stretch else {
            return Ok(None);
        };
        // The bytes are in the `CopyBuffer` already: this only borrows them.
        let frame = self
            .buffer
            .get(stretch.held.map(), located.position, located.len, stretch.end);
        let frame = frame.unwrap_or_default();
        let segment = |range: Range<usize>| frame.get(range).unwrap_or_default();
        Ok(Some(MessageRef {
            offset: located.offset,
            time: located.time,
            key: located.layout.key.map(segment),
            value: located.layout.value.map(segment),
            headers: segment(located.layout.headers),
        }))
    }

    /// Finds and verifies the next message, and moves behind it.
    fn find(&mut self) -> Result<Option<Located>> {
        loop {
            if self
                .stretch
                .as_ref()
                .is_none_or(|stretch| stretch.ordinal == stretch.end_ordinal)
            {
                self.stretch = self.next_stretch()?;
            }
            let Some(stretch) = &mut self.stretch else {
                return Ok(None);
            };
            let (position, end) = (stretch.position, stretch.end);
            let head = self
                .buffer
                .get_up_to(stretch.held.map(), position, LONE_HEADER_LEN, end);
            let header = match head.and_then(Frame::parse) {
                Some(Frame::Record(header)) => header,
                Some(Frame::Batch(_)) => {
                    stretch.position += BATCH_HEADER_LEN as u64;
                    continue;
                }
                None => return Err(damaged(stretch, self.next_offset)),
            };
            let offset = if stretch.is_dense {
                self.next_offset
            } else {
                stretch.held.offset(stretch.ordinal)?
            };
            let len = header.len as usize;
            let layout = self
                .buffer
                .get(stretch.held.map(), position, len, end)
                .filter(|frame| is_intact(&header, frame, stretch.held.seeds().record(offset)))
                .and_then(|frame| Some((Layout::of(&header, frame)?, frame)))
                .filter(|(layout, frame)| {
                    layout.headers.is_empty() || are_headers_whole(&frame[layout.headers.clone()])
                })
                .map(|(layout, _)| layout);
            let layout = layout.ok_or_else(|| damaged(stretch, offset))?;
            stretch.position += len as u64;
            stretch.ordinal += 1;
            self.next_offset = offset + 1;
            if !header.control {
                let time = Timestamp::from_micros(header.time);
                return Ok(Some(Located {
                    position,
                    len,
                    offset,
                    time,
                    layout,
                }));
            }
        }
    }

    /// The next records of one segment, from where the scan stands; `None` at the end of the log.
    fn next_stretch(&mut self) -> Result<Option<Stretch>> {
        let (found, next_offset) = Reader::with(self.segments, |reader| self.stretch_in(reader))?;
        self.next_offset = self.next_offset.max(next_offset);
        // The bytes in the `CopyBuffer` are from another segment.
        self.buffer = CopyBuffer::default();
        Ok(found)
    }

    /// The next records of one segment and the offset they begin at, or the log's next offset.
    fn stretch_in(&self, reader: &Reader<'_>) -> Result<(Option<Stretch>, u64)> {
        let from = reader.resolve(Start::At(self.next_offset))?;
        let list = reader.list();
        for segment in list.segments.get(list.index_at(from)..).unwrap_or_default() {
            let found = reader.read(segment, |opened| {
                let (ordinal, _) = opened.find(from)?;
                if ordinal >= opened.count() {
                    return Ok(None);
                }
                let position = u64::from(opened.position(ordinal)?);
                Ok(Some((
                    opened.offset(ordinal)?,
                    position,
                    ordinal,
                    opened.count(),
                    opened.end(),
                    opened.is_dense(),
                )))
            })?;
            if let Some((offset, position, ordinal, end_ordinal, end, is_dense)) = found {
                let held = reader.hold(segment)?;
                let stretch = Stretch {
                    held,
                    ordinal,
                    end_ordinal,
                    position,
                    end: u64::from(end),
                    is_dense,
                };
                return Ok((Some(stretch), offset));
            }
        }
        Ok((None, reader.next_offset()))
    }
}

fn damaged(stretch: &Stretch, offset: u64) -> Error {
    Error::Corrupt {
        path: stretch.held.path(),
        position: stretch.position,
        offset: Some(offset),
        kind: Corruption::Record,
    }
}
