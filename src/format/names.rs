//! File names in a log's directory.

/// The two copies of the metadata.
pub(crate) const META_NAMES: [&str; 2] = ["meta.0", "meta.1"];

/// A segment with reserved space that is not yet part of the log.
pub(crate) const PREPARED_NAME: &str = "segment.tmp";

/// The file that holds the spare: space given back when messages are removed and the disk is full.
pub(crate) const SPARE_NAME: &str = "spare";

/// The file in which a writer notes how far the log is durable; see [`DurableNote`].
///
/// [`DurableNote`]: super::DurableNote
pub(crate) const NOTE_NAME: &str = "durable";

/// The file through which a writer wakes readers in other processes.
pub(crate) const BELL_NAME: &str = "bell";

/// The subfolder for what recovery cuts off.
pub(crate) const QUARANTINE_NAME: &str = "quarantine";

/// A name made from a segment's base offset: 20 digits and an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    /// `.log`: the segment.
    Segment(u64),
    /// `.idx`: its index.
    Index(u64),
    /// `.log.tmp`: an unfinished rewrite of the segment.
    SegmentTemporary(u64),
    /// `.idx.tmp`: an unfinished index.
    IndexTemporary(u64),
    /// `.<level>.keys`: a key run. The name begins with the first offset and the end offset, 20
    /// digits each, with a hyphen between.
    Keys { first: u64, end: u64, level: u8 },
    /// `.keys.tmp`: an unfinished key run.
    KeysTemporary { first: u64 },
    /// `.producers`: the table of producers up to this offset, which need not be a base offset.
    Producers(u64),
    /// `.producers.tmp`: an unfinished table of producers.
    ProducersTemporary(u64),
}

impl FileName {
    /// Parses exactly the names that [`FileName::to_string`] writes; `None` for any other name.
    pub(crate) fn parse(name: &str) -> Option<FileName> {
        let (digits, ending) = name.split_at_checked(20)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let base = digits.parse().ok()?;
        match ending {
            ".log" => Some(FileName::Segment(base)),
            ".idx" => Some(FileName::Index(base)),
            ".log.tmp" => Some(FileName::SegmentTemporary(base)),
            ".idx.tmp" => Some(FileName::IndexTemporary(base)),
            ".keys.tmp" => Some(FileName::KeysTemporary { first: base }),
            ".producers" => Some(FileName::Producers(base)),
            ".producers.tmp" => Some(FileName::ProducersTemporary(base)),
            _ => FileName::parse_keys(base, ending).filter(|found| found.to_string() == name),
        }
    }

    /// Whether a file with this name, as one that belongs to a log, has no business in a directory
    /// without metadata. The first copy of the metadata may have been begun there.
    pub(crate) fn is_of_log(name: &str) -> bool {
        FileName::parse(name).is_some()
            || [PREPARED_NAME, SPARE_NAME, NOTE_NAME, BELL_NAME, QUARANTINE_NAME].contains(&name)
    }

    fn parse_keys(first: u64, ending: &str) -> Option<FileName> {
        let (end, level) = ending.strip_prefix('-')?.strip_suffix(".keys")?.split_once('.')?;
        Some(FileName::Keys {
            first,
            end: end.parse().ok()?,
            level: level.parse().ok()?,
        })
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileName::Segment(base) => write!(f, "{base:020}.log"),
            FileName::Index(base) => write!(f, "{base:020}.idx"),
            FileName::SegmentTemporary(base) => write!(f, "{base:020}.log.tmp"),
            FileName::IndexTemporary(base) => write!(f, "{base:020}.idx.tmp"),
            FileName::Keys { first, end, level } => write!(f, "{first:020}-{end:020}.{level}.keys"),
            FileName::KeysTemporary { first } => write!(f, "{first:020}.keys.tmp"),
            FileName::Producers(offset) => write!(f, "{offset:020}.producers"),
            FileName::ProducersTemporary(offset) => write!(f, "{offset:020}.producers.tmp"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_not_ours() {
        for base in [0, 7, u64::MAX] {
            for name in [
                FileName::Segment(base),
                FileName::Index(base),
                FileName::SegmentTemporary(base),
                FileName::IndexTemporary(base),
                FileName::KeysTemporary { first: base },
                FileName::Producers(base),
                FileName::ProducersTemporary(base),
                FileName::Keys {
                    first: base,
                    end: 9,
                    level: 2,
                },
            ] {
                assert_eq!(FileName::parse(&name.to_string()), Some(name));
            }
        }
        for name in [
            "",
            "1.log",
            "00000000000000000001-1.1.keys",
            "00000000000000000001-00000000000000000002.+1.keys",
            "00000000000000000001-00000000000000000002.keys",
            "+0000000000000000001.log",
            "99999999999999999999.log",
            "00000000000000000001.LOG",
            "00000000000000000001.log ",
            "0000000000000000000\u{661}.log",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
