//! The log at the moment that a backup shows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chain::RewriteSource;
use crate::control::Producers;
use crate::directory::{LiveMetadata, corrupt};
use crate::engine::append::Append;
use crate::engine::beside::Beside;
use crate::engine::remove::{CopyQueue, Remove};
use crate::engine::segments::{Reader, Segments};
use crate::format::Meta;
use crate::segment::{Budget, Held, Mapped, SegmentRef, Visible};
use crate::{Corruption, Error, Result};

/// The log that is copied.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) segments: &'a Segments,
    pub(crate) metadata: &'a LiveMetadata,
    pub(crate) remove: &'a Remove,
    pub(crate) append: &'a Append,
    /// If the log is only read.
    pub(crate) beside: Option<&'a Beside>,
}

/// The moment at which the copy shows the log. What the copy has yet to copy stays readable,
/// whatever is removed meanwhile.
pub(super) struct Moment<'a> {
    segments: &'a Segments,
    queue: CopyQueue<'a>,
    last: Option<(u64, Last)>,
    /// The files of sealed segments that are still to be copied, by base offset, if somebody else
    /// may remove them.
    held: RefCell<BTreeMap<u64, Arc<Mapped>>>,
    pub(super) meta: Meta,
    pub(super) start_offset: u64,
    pub(super) next_offset: u64,
    /// The table of producers, which may have batches behind the moment.
    pub(super) producers: Producers,
}

/// What has to be known of the last segment at the moment, because it may be written to later.
#[derive(Debug)]
enum Last {
    /// It was written to, and was visible up to here.
    Active(Visible),
    /// It was sealed. Should the log go on in it, its file no longer belongs to this `Sealed`.
    Sealed(Arc<Mapped>),
}

/// A segment that is to be copied.
pub(super) struct ToCopy {
    pub(super) source: RewriteSource,
    pub(super) held: Held,
}

/// Opens the sealed segments of a log that somebody else has open, and who may remove them or put
/// others in their places while they are copied. What is open stays as it is. The number of
/// mappings is bounded, so of very many segments the newest are opened when their turn comes.
fn held_apart(source: &Source<'_>, reader: &Reader<'_>) -> Result<BTreeMap<u64, Arc<Mapped>>> {
    const HELD_MAX: usize = 4096;
    let segments = source.segments;
    let mut held = BTreeMap::new();
    if !segments.is_watched() || source.metadata.get(|meta| meta.clean.is_some()) {
        return Ok(held);
    }
    for segment in reader.list().segments.iter().take(HELD_MAX) {
        if let SegmentRef::Sealed(sealed) = segment {
            match segments.map(|| sealed.open_apart()) {
                // If it is still there, what is wrong with it is told when its turn comes.
                Err(Error::Corrupt { .. }) => {}
                files => drop(held.insert(sealed.base(), files?)),
            }
        }
    }
    segments.look(true)?;
    let now = segments.list();
    for segment in &reader.list().segments {
        let SegmentRef::Sealed(sealed) = segment else {
            continue;
        };
        let base = sealed.base();
        let is_same = match now.with_base(base) {
            Some(SegmentRef::Sealed(other)) => Arc::ptr_eq(sealed, other),
            Some(SegmentRef::Active(_)) => false,
            None => held.contains_key(&base) && reader.end_offset_of(segment) <= now.start_offset,
        };
        if !is_same {
            // What was opened may be another segment. The caller begins again with a newer list.
            return Err(corrupt(&sealed.path(), 0, None, Corruption::Missing));
        }
    }
    Ok(held)
}

impl Moment<'_> {
    pub(super) fn of<'a>(source: &Source<'a>) -> Result<Moment<'a>> {
        let removal = source.remove.hold();
        // Publishing goes on, and may replace the last segment while it is opened.
        let (segments, held, last, start_offset, next_offset) = Reader::with(source.segments, |reader| {
            let list = reader.list();
            let held = held_apart(source, reader)?;
            let (end, next_offset) = match list.segments.last() {
                Some(SegmentRef::Active(active)) => {
                    let visible = active.visible();
                    let next = active.header.base + u64::from(visible.count);
                    (Some(Last::Active(visible)), next.max(list.next_offset_min))
                }
                Some(SegmentRef::Sealed(sealed)) => {
                    let files = match source.segments.map(|| sealed.open_apart()) {
                        // The log does not go on in it. What is wrong is told when its turn comes.
                        Err(Error::Corrupt { .. }) if !reader.is_outdated()? => None,
                        other => Some(Last::Sealed(other?)),
                    };
                    (files, reader.next_offset())
                }
                None => (None, reader.next_offset()),
            };
            let end = list.segments.last().map(SegmentRef::base).zip(end);
            Ok((list.segments.clone(), held, end, list.start_offset, next_offset))
        })?;
        let meta = source.metadata.current();
        let producers = match source.beside {
            Some(beside) => beside.producers()?,
            None => source.append.producers_now().producers,
        };
        // Nothing fails from here on: the queue must outlive the permission to remove.
        let queue = removal.begin_copy(&segments);
        drop(removal);
        Ok(Moment {
            segments: source.segments,
            queue,
            last,
            held: RefCell::new(held),
            meta,
            start_offset,
            next_offset,
            producers,
        })
    }

    /// The next segment to copy, with its files open; `None` when all are copied.
    pub(super) fn next(&self) -> Result<Option<ToCopy>> {
        let [Some(segment), behind] = self.queue.first_two()? else {
            return Ok(None);
        };
        let end = behind.map_or(self.next_offset, |behind| behind.base());
        let last = self.last.as_ref().filter(|(base, _)| *base == segment.base());
        let (source, held) = match (segment, last) {
            (SegmentRef::Active(active), Some((_, Last::Active(visible)))) => {
                (RewriteSource::of_active(&active, *visible)?, Held::Active(active))
            }
            (SegmentRef::Active(active), _) => (
                RewriteSource::of_active(&active, active.visible())?,
                Held::Active(active),
            ),
            (SegmentRef::Sealed(sealed), last) => {
                let files = match last {
                    Some((_, Last::Sealed(files))) => Arc::clone(files),
                    _ => match self.held.borrow_mut().remove(&sealed.base()) {
                        Some(files) => files,
                        None => self.segments.map(|| sealed.open_apart())?,
                    },
                };
                (RewriteSource::of_sealed(&files, end), Held::Sealed(sealed, files))
            }
        };
        Ok(Some(ToCopy { source, held }))
    }

    /// Gives up the segment that [`next`](Moment::next) returned: it was copied.
    pub(super) fn copied(&self) {
        self.queue.pop();
    }
}
