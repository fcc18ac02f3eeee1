//! A stream that is followed: it may appear, go, and be replaced.

use std::cell::RefCell;
use std::path::Path;

use duramen::Error;
use duramen::store::{PartitionLog, StoreOptions, Stream};

use crate::failure::Failure;
use crate::follow::{Source, number};
use crate::streams::tell;

/// A stream, for all that follow its partitions.
pub(super) struct Followed<'a> {
    dir: &'a Path,
    name: &'a str,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    stream: Option<Stream>,
    /// The number of the store's directory.
    number: Option<(u64, u64)>,
    /// Whether it was told that there is no stream.
    is_told: bool,
}

impl<'a> Followed<'a> {
    pub(super) fn new(dir: &'a Path, name: &'a str) -> Followed<'a> {
        Followed {
            dir,
            name,
            state: RefCell::default(),
        }
    }

    /// The stream, which is looked up if it is not the one that is there now.
    pub(super) fn stream(&self) -> duramen::Result<Stream> {
        let mut state = self.state.borrow_mut();
        let number = number(self.dir);
        if let Some(stream) = state.stream.as_ref().filter(|_| state.number == number) {
            return Ok(stream.clone());
        }
        state.number = number;
        let store = StoreOptions::new().read_only(true).open(self.dir)?;
        let stream = store.stream(self.name)?;
        state.stream = Some(stream.clone());
        Ok(stream)
    }

    /// Whether the error says that there is no stream yet, or no more, which is told once.
    pub(super) fn is_absent(&self, error: &Error) -> bool {
        let is_absent = match error {
            Error::NoStream { .. } | Error::StreamDeleting { .. } => true,
            // Of the store, and not of a partition.
            Error::NoLog { path } => !path.starts_with(self.dir.join("streams")),
            _ => false,
        };
        let mut state = self.state.borrow_mut();
        if is_absent {
            state.stream = None;
            if !state.is_told {
                state.is_told = true;
                let (name, dir) = (self.name, self.dir.display());
                tell(format_args!("duramen: waiting for a stream {name:?} in {dir}"));
            }
        }
        is_absent
    }
}

/// A partition of a stream that is followed.
pub(super) struct Partition<'a> {
    of: &'a Followed<'a>,
    pub(super) number: u32,
    /// The number of the store's directory when the log was opened.
    opened: Option<(u64, u64)>,
}

impl<'a> Partition<'a> {
    pub(super) fn new(of: &'a Followed<'a>, number: u32) -> Partition<'a> {
        Partition {
            of,
            number,
            opened: None,
        }
    }
}

impl Source for Partition<'_> {
    type Log = PartitionLog;

    fn open(&mut self) -> Result<PartitionLog, Failure> {
        let log = self.of.stream()?.partition(self.number)?;
        self.opened = self.of.state.borrow().number;
        Ok(log)
    }

    fn is_current(&self) -> bool {
        self.opened == number(self.of.dir)
    }

    fn is_absent(&mut self, error: &Error) -> bool {
        // Nobody has used the partition yet.
        self.of.is_absent(error) || matches!(error, Error::NoLog { .. } | Error::Unfinished { .. })
    }

    fn forget(&mut self) {
        self.of.state.borrow_mut().stream = None;
    }

    fn was_read(&mut self) {
        self.of.state.borrow_mut().is_told = false;
    }

    fn label(&self) -> String {
        format!("partition {}: ", self.number)
    }
}
