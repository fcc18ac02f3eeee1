use super::{Position, StreamId, Timestamp};

/// A cursor as it is [stored](crate::Cursors): where somebody goes on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The stream in which it was stored; of a log that is in no store, 16 zero bytes.
    pub stream_id: StreamId,
    /// The offset of the next message, and the life of the log in which that was so.
    pub position: Position,
    /// Goes up with each change of the cursor, not always by one. No other cursor that is kept in
    /// the same place has the same version.
    pub version: u64,
    /// When it was stored, by the clock of whoever keeps it.
    pub updated: Timestamp,
}

/// A stored cursor and its name: see [`Cursors::list`](crate::Cursors::list).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCursor {
    /// The cursor's own name.
    pub id: String,
    /// The name of the stream, or the log.
    pub stream: String,
    /// The partition; 0 of a log that is in no store.
    pub partition: u32,
    /// What is stored.
    pub stored: Stored,
}

/// What a stored cursor has to be for a change to it: optimistic concurrency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// It may be whatever it is.
    #[default]
    Any,
    /// There must be none.
    Absent,
    /// It must have this [version](Stored::version).
    Version(u64),
}

impl Expect {
    /// Whether a cursor of this version, or none, is what is expected.
    pub(crate) fn check(self, actual: Option<u64>) -> crate::Result<()> {
        let expected = match self {
            Expect::Any => return Ok(()),
            Expect::Absent => None,
            Expect::Version(version) => Some(version),
        };
        if expected == actual {
            Ok(())
        } else {
            Err(crate::Error::CursorMismatch { expected, actual })
        }
    }
}
