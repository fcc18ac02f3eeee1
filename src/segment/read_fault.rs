use std::path::Path;

use crate::directory::corrupt;
use crate::format::IndexDefect;
use crate::{Corruption, Error};

/// Why reading from a segment failed.
#[derive(Debug)]
pub(crate) enum ReadFault {
    /// The segment's index is damaged; the index can be built anew.
    Index,
    /// The record here is damaged.
    Record {
        position: u64,
        offset: u64,
    },
    Error(Error),
}

impl From<IndexDefect> for ReadFault {
    fn from(_: IndexDefect) -> ReadFault {
        ReadFault::Index
    }
}

impl From<Error> for ReadFault {
    fn from(error: Error) -> ReadFault {
        ReadFault::Error(error)
    }
}

impl ReadFault {
    pub(crate) fn into_error(self, path: &Path) -> Error {
        match self {
            ReadFault::Index => corrupt(path, 0, None, Corruption::Index),
            ReadFault::Record { position, offset } => {
                corrupt(path, position, Some(offset), Corruption::Record)
            }
            ReadFault::Error(error) => error,
        }
    }
}
