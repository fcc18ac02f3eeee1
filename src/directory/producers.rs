//! Files with the table of producers. The newest that the log has reached counts.

use super::files::{Directory, corrupt, header_error};
use crate::format::{FileName, PRODUCERS_LEN_MAX, ProducersAt};
use crate::sys::{Dir, Open, found};
use crate::{Corruption, Result};

impl Directory {
    /// Writes the table durably. After an error the older table counts, and the segments tell the
    /// rest.
    pub(crate) fn store_producers(&self, table: &ProducersAt) -> Result<()> {
        let name = FileName::Producers(table.offset);
        let temporary = FileName::ProducersTemporary(table.offset);
        let file = self.create_anew(&temporary)?;
        let written = file
            .write_at(0, &table.encode(&self.log_id))
            .and_then(|()| file.sync())
            .and_then(|()| self.rename(&temporary, &name))
            .and_then(|()| self.dir.sync());
        if written.is_err() {
            let _ = self.remove(&temporary);
        }
        written
    }

    /// Removes the tables up to an offset in front of `offset`, at which there is one. One that
    /// stays does no harm.
    pub(crate) fn remove_older_producers(&self, offset: u64) -> Result<()> {
        for older in producer_tables(&self.dir)? {
            if older < offset {
                let _ = self.remove(&FileName::Producers(older));
            }
        }
        Ok(())
    }

    /// Removes, durably, the tables of an offset above `end`: an interrupted backup has left them
    /// in a copy that ends there, and they would count once the copy has gone on beyond their
    /// offset.
    pub(crate) fn remove_producers_behind(&self, end: u64) -> Result<()> {
        let mut behind = producer_tables(&self.dir)?;
        behind.retain(|offset| *offset > end);
        if behind.is_empty() {
            return Ok(());
        }
        for offset in behind {
            self.remove(&FileName::Producers(offset))?;
        }
        self.dir.sync()
    }

    /// The newest table of a log that has reached the offset `end`.
    pub(crate) fn load_producers(&self, end: u64) -> Result<Option<ProducersAt>> {
        let tables = producer_tables(&self.dir)?;
        let Some(newest) = tables.into_iter().filter(|offset| *offset <= end).max() else {
            return Ok(None);
        };
        let name = FileName::Producers(newest);
        let path = self.path_of(&name);
        let Some(file) = found(self.open(&name, Open::Read))? else {
            return Ok(None);
        };
        // One byte more than there can be shows that a file is too long.
        let len = usize::try_from(file.len()?)
            .unwrap_or(usize::MAX)
            .min(PRODUCERS_LEN_MAX + 1);
        let mut bytes = vec![0; len];
        let len = file.read_at(0, &mut bytes)?;
        let table = ProducersAt::decode(bytes.get(..len).unwrap_or_default(), &self.log_id)
            .map_err(|defect| header_error(&path, defect))?;
        if table.offset != newest {
            return Err(corrupt(&path, 0, None, Corruption::Foreign));
        }
        Ok(Some(table))
    }
}

/// Up to which offsets there are tables in the directory.
pub(crate) fn producer_tables(dir: &Dir) -> Result<Vec<u64>> {
    let offset = |name: &String| match FileName::parse(name) {
        Some(FileName::Producers(offset)) => Some(offset),
        _ => None,
    };
    Ok(dir.list()?.iter().filter_map(offset).collect())
}
