//! What a directory has to hold, and not to hold, before something is brought to it.

use crate::Error;
use crate::Result;
use crate::directory::{Copies, MetaStore, initialise};
use crate::format::{FileName, Meta};
use crate::sys::Dir;

/// The metadata in a directory that something is to be brought to. Without any, the directory can
/// take a log, and its name is durable.
pub(in crate::engine) fn metadata_in(dir: &Dir) -> Result<Option<MetaStore>> {
    let copies = Copies::read(dir)?;
    if !copies.is_absent() {
        let meta = copies.newest_of_any(dir)?;
        return Ok(Some(MetaStore::new(dir, meta, &copies)));
    }
    if dir.list()?.iter().any(|name| FileName::is_of_log(name)) {
        return Err(Error::Invalid("the target holds files of a log, but no metadata"));
    }
    dir.sync_above()?;
    Ok(None)
}

/// Has the directory's metadata say that nothing counts here until what `unfinished` tells of is
/// finished, whatever it said before.
pub(in crate::engine) fn begin_anew(
    store: Option<MetaStore>,
    dir: &Dir,
    unfinished: Meta,
) -> Result<MetaStore> {
    let Some(mut store) = store else {
        initialise(dir, &unfinished)?;
        let mut copies = Copies::read(dir)?;
        copies.is_newest_durable = true;
        return Ok(MetaStore::new(dir, unfinished, &copies));
    };
    store.write_both(|current| {
        let sequence = current.sequence;
        *current = Meta {
            sequence,
            ..unfinished
        };
    })?;
    Ok(store)
}
