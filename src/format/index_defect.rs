use super::header::HeaderDefect;

/// Why an index cannot be used, or cannot be built. The log itself is not damaged: build the index
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IndexDefect {
    #[error("not an index file")]
    Magic,
    #[error("index of format version {0}")]
    Version(u16),
    #[error("the header of the index is damaged")]
    Header,
    #[error("the index was made from another segment, or from another state of it")]
    Foreign,
    #[error("the index lacks the keys or the times")]
    Kinds,
    #[error("the index has not the length it should have")]
    Length,
    #[error("the index is damaged between position {position} and the end of that page")]
    Checksum { position: u64 },
    #[error("the index makes no sense at position {position}")]
    Content { position: u64 },
    #[error("the records are not in order, or too many")]
    Records,
}

impl From<HeaderDefect> for IndexDefect {
    fn from(defect: HeaderDefect) -> IndexDefect {
        match defect {
            HeaderDefect::Magic => IndexDefect::Magic,
            HeaderDefect::Version(version) => IndexDefect::Version(version),
            HeaderDefect::Damaged => IndexDefect::Header,
        }
    }
}

impl IndexDefect {
    /// The position of the defect in the file, in bytes; 0 if it is in the header, or concerns the
    /// whole file.
    pub(crate) fn position(self) -> u64 {
        match self {
            IndexDefect::Checksum { position } | IndexDefect::Content { position } => position,
            _ => 0,
        }
    }
}
