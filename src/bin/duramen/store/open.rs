//! Opening a store, to read it or to change it.

use std::path::Path;

use duramen::Error;
use duramen::store::{Store, StoreOptions};

use crate::failure::Failure;
use crate::open::patiently;

/// Opens the store in `dir` for reading, which is in no writer's way.
pub(crate) fn for_reading(dir: &Path) -> Result<Store, Failure> {
    let opened = StoreOptions::new().read_only(true).open(dir);
    opened.map_err(|error| named(error.into(), dir))
}

/// Opens the existing store in `dir`, to change it.
pub(crate) fn existing(dir: &Path, options: &StoreOptions) -> Result<Store, Failure> {
    // A writer would make a store in an empty directory.
    match StoreOptions::new().read_only(true).open(dir) {
        Err(error @ Error::NoLog { .. }) => Err(named(error.into(), dir)),
        _ => open(dir, options),
    }
}

/// Opens the store in `dir`, which is made if it is missing.
pub(super) fn or_make(dir: &Path) -> Result<Store, Failure> {
    open(dir, &StoreOptions::new().create_dirs(true))
}

/// While another process has the store open for writing, this waits for a short time.
fn open(dir: &Path, options: &StoreOptions) -> Result<Store, Failure> {
    patiently(|| options.open(dir)).map_err(|failure| named(failure, dir))
}

/// The failure of a copy from one directory to another, told of the store that is open elsewhere.
pub(super) fn named_of_copy(failure: Failure, from: &Path, to: &Path) -> Failure {
    match &failure {
        Failure::Log(Error::Locked { path }) if path.starts_with(to) => named(failure, to),
        Failure::Log(Error::Locked { .. }) => named(failure, from),
        _ => failure,
    }
}

/// The failure to open the store in `dir`, told of that and not of the log in it.
pub(super) fn named(failure: Failure, dir: &Path) -> Failure {
    let dir = dir.to_owned();
    match failure {
        Failure::Log(Error::NoLog { .. }) => Failure::NoStore { dir },
        Failure::Log(Error::Locked { .. }) => Failure::StoreLocked { dir },
        other => other,
    }
}
