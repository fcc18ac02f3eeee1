use std::path::Path;

use crate::directory::corrupt;
use crate::format::IndexDefect;
use crate::{Corruption, Error};

/// Why reading from a segment failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The segment's index is damaged; the index can be built anew.
    Index,
    /// The record here is damaged.
    Record {
        position: u64,
        offset: u64,
    },
    Error(Error),
}

impl From<IndexDefect> for Fault {
    fn from(_: IndexDefect) -> Fault {
        Fault::Index
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Error(error)
    }
}

impl Fault {
    pub(crate) fn into_error(self, path: &Path) -> Error {
        match self {
            Fault::Index => corrupt(path, 0, None, Corruption::Index),
            Fault::Record { position, offset } => corrupt(path, position, Some(offset), Corruption::Record),
            Fault::Error(error) => error,
        }
    }
}
