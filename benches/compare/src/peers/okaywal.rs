//! okaywal: every commit is synced, and entries are read back only while it recovers or checkpoints.

use std::io;
use std::path::Path;

use duramen::NewMessage;
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, encode};

pub(crate) const KIND: Kind = Kind {
    name: "okaywal",
    rows: &["W3", "W4", "W4b"],
    open,
};

struct OkayWal(WriteAheadLog);

/// Keeps nothing: what is measured is the log.
#[derive(Debug)]
struct Forget;

impl LogManager for Forget {
    fn recover(&mut self, _entry: &mut Entry<'_>) -> io::Result<()> {
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last_checkpointed_id: EntryId,
        _checkpointed_entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}

fn open(dir: &Path, _durable: Durable) -> Outcome<Box<dyn Peer>> {
    Ok(Box::new(OkayWal(Configuration::default_for(dir).open(Forget)?)))
}

impl Peer for OkayWal {
    fn publish(&self, _first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let mut writer = self.0.begin_entry()?;
        let mut buffer = Vec::with_capacity(256);
        for message in messages {
            buffer.clear();
            encode(message, &mut buffer);
            writer.write_chunk(&buffer)?;
        }
        writer.commit()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(self.0.shutdown()?)
    }
}
