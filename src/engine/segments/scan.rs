use super::current::Segments;
use super::message_ref::lend;
use super::reader::Reader;
use crate::format::{FileName, Frame, FrameSeeds, LONE_HEADER_LEN, Layout, verified_whole};
use crate::segment::{CopyBuffer, Held, LetGo};
use crate::{Corruption, Error, MessageRef, Result, Start, Timestamp};

/// Lends messages in offset order from a buffer that moves along; see
/// [`FileLog::scan`](crate::FileLog::scan).
///
/// Between two calls it holds that buffer, of 32 KiB or of one larger message, and no file: one
/// that nobody goes on with keeps no segment that was trimmed on the disk.
#[derive(Debug)]
pub struct Scan<'a> {
    segments: &'a Segments,
    next_offset: u64,
    stretch: Option<Stretch>,
    buffer: CopyBuffer,
}

/// Consecutive records in one segment, which is held only during a call.
#[derive(Debug)]
struct Stretch {
    segment: LetGo,
    base: u64,
    seeds: FrameSeeds,
    ordinal: u32,
    end_ordinal: u32,
    position: u64,
    end: u64,
    is_dense: bool,
}

/// What the next record of a stretch turned out to be.
enum Step {
    Message(Located),
    /// A record or batch header that is no message.
    Other,
    /// The segment's files are closed, or it was trimmed.
    Gone,
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
        // The bytes are in the `CopyBuffer` already: this only borrows them.
        let frame = self
            .buffer
            .held(located.position, located.len)
            .unwrap_or_default();
        Ok(Some(lend(frame, &located.layout, located.offset, located.time)))
    }

    /// Finds and verifies the next message, and moves behind it.
    fn find(&mut self) -> Result<Option<Located>> {
        self.segments.directory.health.check_open()?;
        let mut held = None;
        loop {
            if self
                .stretch
                .as_ref()
                .is_none_or(|stretch| stretch.ordinal == stretch.end_ordinal)
            {
                (self.stretch, held) = self.next_stretch()?.unzip();
            }
            if self.stretch.is_none() {
                return Ok(None);
            }
            match self.step(&mut held)? {
                Step::Message(located) => return Ok(Some(located)),
                Step::Other => {}
                // Look again where the messages are now, if they are not trimmed.
                Step::Gone => self.stretch = None,
            }
        }
    }

    /// Verifies the next record, and moves behind it. `held` is the segment, as soon as it is
    /// needed.
    fn step(&mut self, held: &mut Option<Held>) -> Result<Step> {
        let (segments, next_offset) = (self.segments, self.next_offset);
        let Some(stretch) = &mut self.stretch else {
            return Ok(Step::Gone);
        };
        let (position, end) = (stretch.position, stretch.end);
        let damaged = |stretch: &Stretch, offset| damaged(segments, stretch, offset);
        let head_len = usize::try_from(end.saturating_sub(position)).unwrap_or(LONE_HEADER_LEN);
        let begin = self.buffer.get_from(
            || hold(segments, stretch, next_offset, held).map(Held::map),
            position,
            head_len.min(LONE_HEADER_LEN),
            end,
        );
        let header = match begin.map(Frame::parse) {
            Some(Some(Frame::Record(header))) => header,
            Some(Some(Frame::Batch(batch))) => {
                stretch.position += batch.header_len() as u64;
                return Ok(Step::Other);
            }
            None if held.is_none() => return Ok(Step::Gone),
            _ => return Err(damaged(stretch, next_offset)),
        };
        let offset = if stretch.is_dense {
            next_offset
        } else {
            match hold(segments, stretch, next_offset, held) {
                Some(held) => held.offset(stretch.ordinal)?,
                None => return Ok(Step::Gone),
            }
        };
        let len = header.len as usize;
        let Some(frame) = self.buffer.get_from(
            || hold(segments, stretch, next_offset, held).map(Held::map),
            position,
            len,
            end,
        ) else {
            return match held {
                Some(_) => Err(damaged(stretch, offset)),
                None => Ok(Step::Gone),
            };
        };
        let layout = verified_whole(&header, frame, stretch.seeds.record(offset))
            .ok_or_else(|| damaged(stretch, offset))?;
        stretch.position += len as u64;
        stretch.ordinal += 1;
        self.next_offset = offset + 1;
        if header.control {
            return Ok(Step::Other);
        }
        Ok(Step::Message(Located {
            position,
            len,
            offset,
            time: Timestamp::from_micros(header.time),
            layout,
        }))
    }

    /// The next records of one segment, from where the scan stands; `None` at the end of the log.
    fn next_stretch(&mut self) -> Result<Option<(Stretch, Held)>> {
        let (found, next_offset) = Reader::with(self.segments, |reader| self.stretch_in(reader))?;
        self.next_offset = self.next_offset.max(next_offset);
        // The bytes in the `CopyBuffer` are from another segment.
        self.buffer = CopyBuffer::default();
        Ok(found)
    }

    /// The next records of one segment and the offset they begin at, or the log's next offset.
    fn stretch_in(&self, reader: &Reader<'_>) -> Result<(Option<(Stretch, Held)>, u64)> {
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
                    segment: held.let_go(),
                    base: segment.base(),
                    seeds: held.seeds(),
                    ordinal,
                    end_ordinal,
                    position,
                    end: u64::from(end),
                    is_dense,
                };
                return Ok((Some((stretch, held)), offset));
            }
        }
        Ok((None, reader.next_offset()))
    }
}

/// The segment of `stretch`; `None` if others have closed its files, or messages from
/// `next_offset` on were trimmed.
#[cold]
fn hold<'h>(
    segments: &Segments,
    stretch: &Stretch,
    next_offset: u64,
    held: &'h mut Option<Held>,
) -> Option<&'h Held> {
    if held.is_none() && segments.list().start_offset <= next_offset {
        *held = stretch.segment.hold();
    }
    held.as_ref()
}

fn damaged(segments: &Segments, stretch: &Stretch, offset: u64) -> Error {
    Error::Corrupt {
        path: segments.directory.path_of(&FileName::Segment(stretch.base)),
        position: stretch.position,
        offset: Some(offset),
        kind: Corruption::Record,
    }
}
