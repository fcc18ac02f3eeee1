//! Where a segment ends, and what proves it.

use super::extent::Extent;
use crate::format::{Previous, SegmentHeader};

/// Where a sealed segment ends, and the checksum of its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) len: u32,
    pub(crate) last_checksum: u32,
}

/// A statement about the end of a segment, named after its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Testimony {
    /// There is no statement about the segment.
    Nobody,
    /// The header behind it should know this segment, and says that there is none.
    NoSegment,
    /// The header of the segment behind it.
    Successor(Previous),
    /// The metadata of a log that was closed, or the process that sealed the segment.
    Metadata(Previous),
    /// Its own frames: they are whole up to this seal, and the next offset is this one.
    Frames { seal: Seal, next_offset: u64 },
}

/// The source that is believed about the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// The segment's own header: the segment was rewritten, and is durable up to the end that its
    /// header names.
    Itself,
    Successor,
    Metadata,
    /// The segment's frames, as far as they were walked through.
    Frames,
}

/// The end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) seal: Seal,
    /// The offset that the segment reaches up to (exclusive), if the witness knows.
    pub(crate) next_offset: Option<u64>,
    /// How the segment behind it, or the metadata, knows this one.
    pub(crate) origin: Previous,
    pub(crate) witness: Witness,
}

/// Where the segment with this header ends, and which witness proves it. `None` if there is no
/// testimony, or if it is about another segment.
///
/// The header of a rewritten segment is the best witness, but only if the testimony is about the
/// segment as it was before its first rewrite.
pub(crate) fn end_of(header: &SegmentHeader, testimony: Testimony) -> Option<Ending> {
    let (link, witness) = match testimony {
        Testimony::Successor(link) => (Some(link), Witness::Successor),
        Testimony::Metadata(link) => (Some(link), Witness::Metadata),
        Testimony::Nobody | Testimony::NoSegment | Testimony::Frames { .. } => (None, Witness::Frames),
    };
    if let Some(rewrite) = header.rewrite {
        return link.is_none_or(|link| link == rewrite.origin).then_some(Ending {
            seal: Seal {
                len: rewrite.len,
                last_checksum: rewrite.last_checksum,
            },
            next_offset: Some(rewrite.end),
            origin: rewrite.origin,
            witness: Witness::Itself,
        });
    }
    let (origin, next_offset) = match (testimony, link) {
        (_, Some(link)) if link.base == header.base => (link, None),
        (Testimony::Frames { seal, next_offset }, _) => (seal.link(header.base), Some(next_offset)),
        _ => return None,
    };
    Some(Ending {
        seal: Seal {
            len: origin.len,
            last_checksum: origin.last_checksum,
        },
        next_offset,
        origin,
        witness,
    })
}

impl Seal {
    /// How the segment behind knows the one with this base and seal, if the latter was never
    /// rewritten.
    fn link(self, base: u64) -> Previous {
        Previous {
            base,
            len: self.len,
            last_checksum: self.last_checksum,
        }
    }
}

impl Extent {
    /// The statement of the frames that were walked through.
    pub(crate) fn testimony(&self) -> Testimony {
        Testimony::Frames {
            seal: self.seal(),
            next_offset: self.next_offset,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions in a segment are u32, which open has checked"
    )]
    pub(crate) fn seal(&self) -> Seal {
        Seal {
            len: self.end as u32,
            last_checksum: self.last_checksum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Rewrite, Salt};

    const LINK: Previous = Previous {
        base: 10,
        len: 400,
        last_checksum: 7,
    };
    const SEAL: Seal = Seal {
        len: 400,
        last_checksum: 7,
    };

    fn header(rewrite: Option<Rewrite>) -> SegmentHeader {
        SegmentHeader {
            log_id: [1; 16],
            salt: Salt([2; 16]),
            base: 10,
            epoch: 0,
            previous: None,
            durable_base: 0,
            created: 0,
            previous_clock: 0,
            rewrite,
            control: crate::control::ControlState::default(),
        }
    }

    /// Three segments were merged into it; the last of them had the base 25.
    fn merged() -> SegmentHeader {
        header(Some(Rewrite {
            generation: 2,
            origin: Previous { base: 25, ..LINK },
            end: 33,
            len: 300,
            last_checksum: 9,
        }))
    }

    #[test]
    fn a_segment_as_published_ends_where_the_successor_or_the_metadata_says() {
        for (testimony, witness) in [
            (Testimony::Successor(LINK), Witness::Successor),
            (Testimony::Metadata(LINK), Witness::Metadata),
        ] {
            let ending = Ending {
                seal: SEAL,
                next_offset: None,
                origin: LINK,
                witness,
            };
            assert_eq!(end_of(&header(None), testimony), Some(ending));
        }
    }

    #[test]
    fn a_segment_of_which_nobody_speaks_ends_where_its_frames_do_if_they_were_walked_through() {
        let frames = Testimony::Frames {
            seal: SEAL,
            next_offset: 14,
        };
        let ending = end_of(&header(None), frames).unwrap();
        assert_eq!((ending.seal, ending.next_offset), (SEAL, Some(14)));
        assert_eq!((ending.origin, ending.witness), (LINK, Witness::Frames));
        assert_eq!(end_of(&header(None), Testimony::Nobody), None);
        assert_eq!(end_of(&header(None), Testimony::NoSegment), None);
    }

    #[test]
    fn a_rewritten_segment_knows_its_end_whoever_speaks_of_what_it_was() {
        let origin = Previous { base: 25, ..LINK };
        for testimony in [
            Testimony::Nobody,
            Testimony::NoSegment,
            Testimony::Successor(origin),
            Testimony::Metadata(origin),
            Testimony::Frames {
                seal: SEAL,
                next_offset: 14,
            },
        ] {
            let ending = end_of(&merged(), testimony).unwrap();
            assert_eq!((ending.seal.len, ending.seal.last_checksum), (300, 9));
            assert_eq!((ending.next_offset, ending.origin), (Some(33), origin));
            assert_eq!(ending.witness, Witness::Itself);
        }
    }

    #[test]
    fn a_witness_that_speaks_of_another_segment_proves_nothing() {
        let other = Previous { base: 9, ..LINK };
        assert_eq!(end_of(&header(None), Testimony::Successor(other)), None);
        assert_eq!(end_of(&header(None), Testimony::Metadata(other)), None);
        // For a rewritten segment the base does not suffice: others must know exactly what it was.
        let changed = Previous {
            base: 25,
            len: 401,
            ..LINK
        };
        assert_eq!(end_of(&merged(), Testimony::Successor(changed)), None);
        assert_eq!(end_of(&merged(), Testimony::Metadata(LINK)), None);
    }
}
