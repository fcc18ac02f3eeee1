//! okaywal, a write-ahead log.

use std::io;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::okaywal::{
    Configuration, Entry, EntryId, LogManager, LogPosition, ReadChunkResult, SegmentReader, WriteAheadLog,
};

use super::{NO_KEYS, NO_QUEUE};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Purpose, Seen, Store, Way};
use crate::workload::ensure;

pub(crate) const WAY: Way = Way {
    name: "okaywal",
    library: "okaywal",
    about,
    open,
};

fn about(row: Row) -> About {
    match row {
        Row::One | Row::Many | Row::ManyLarge => {
            About::Lacks("every commit syncs; no publish that does not wait for the disk")
        }
        Row::Durable | Row::Durable16 | Row::Durable64 => About::Can(
            "`commit`: fdatasync, shared by threads; into space that was filled with zeros at open",
        ),
        Row::Consume => About::Lacks("reads in order only while it opens the log, see one pass"),
        Row::Scan => About::Can("opens the log, which replays it; checksums verified, as it offers"),
        Row::Offset => About::Can(
            "by a position that the caller has stored, not by offset; opens the file each time; \
             checksum verified, as it offers",
        ),
        Row::Key => About::Lacks(NO_KEYS),
        Row::Open => About::Can("replays the whole log; verifies every checksum, as it offers"),
        Row::Queue => About::Lacks(NO_QUEUE),
    }
}

fn open(dir: &Path, purpose: Purpose) -> Outcome<Box<dyn Store>> {
    // A segment that has been checkpointed is reused, and what it held is gone. As a log that keeps
    // its messages, it needs a segment that is large enough for all of them.
    let bytes = u32::try_from((purpose.messages * 192).next_multiple_of(1 << 20))?;
    let (wal, positions) = recover(dir, bytes, None)?;
    Ok(Box::new(OkayWal {
        wal: Some(wal),
        dir: dir.to_owned(),
        bytes,
        positions,
        buffer: Vec::new(),
    }))
}

struct OkayWal {
    /// Only absent while [`OkayWal::scan`] opens the log again.
    wal: Option<WriteAheadLog>,
    dir: PathBuf,
    bytes: u32,
    /// Where each message is.
    positions: Vec<LogPosition>,
    buffer: Vec<u8>,
}

/// Opens the log, and finds where each message is. With `seen`, compares them as well.
fn recover(dir: &Path, bytes: u32, seen: Option<&mut Seen>) -> Outcome<(WriteAheadLog, Vec<LogPosition>)> {
    let state = Arc::new(Mutex::new(State {
        positions: Vec::new(),
        seen: seen.as_deref().cloned(),
        buffer: Vec::new(),
    }));
    let wal = Configuration::default_for(dir)
        .preallocate_bytes(bytes)
        .checkpoint_after_bytes(u64::from(bytes))
        .open(Manager(Arc::clone(&state)))?;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(seen), Some(replayed)) = (seen, state.seen.take()) {
        *seen = replayed;
    }
    Ok((wal, std::mem::take(&mut state.positions)))
}

#[derive(Debug)]
struct State {
    positions: Vec<LogPosition>,
    seen: Option<Seen>,
    buffer: Vec<u8>,
}

/// What okaywal calls when it replays entries and when it is about to drop some.
#[derive(Debug)]
struct Manager(Arc<Mutex<State>>);

impl LogManager for Manager {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            positions,
            seen,
            buffer,
        } = &mut *state;
        while let ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            positions.push(chunk.log_position());
            // `skip_remaining_bytes` of 0.3.1 skips the checksum twice, and ends a replay.
            buffer.clear();
            chunk.read_to_end(buffer)?;
            if !chunk.check_crc()? {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if let Some(seen) = seen {
                seen.next_joined(buffer)
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last: EntryId,
        _entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> io::Result<()> {
        Err(io::Error::other("no segment may be dropped"))
    }
}

impl OkayWal {
    fn commit(&self, batch: &[Message<'_>]) -> Outcome {
        let wal = self.wal.as_ref().ok_or("not open")?;
        let mut entry = wal.begin_entry()?;
        for message in batch {
            let mut chunk = entry.begin_chunk(u32::try_from(message.len())?)?;
            chunk.write_all(message.key)?;
            chunk.write_all(message.value)?;
            chunk.finish()?;
        }
        entry.commit()?;
        Ok(())
    }
}

impl Store for OkayWal {
    fn publish_durably(&self, _thread: u64, message: Message<'_>) -> Outcome {
        self.commit(std::slice::from_ref(&message))
    }

    fn build(&mut self, batch: &[Message<'_>]) -> Outcome {
        self.commit(batch)
    }

    fn scan(&mut self, seen: &mut Seen) -> Outcome {
        if let Some(wal) = self.wal.take() {
            wal.shutdown()?;
        }
        let (wal, positions) = recover(&self.dir, self.bytes, Some(seen))?;
        self.wal = Some(wal);
        self.positions = positions;
        Ok(())
    }

    fn read_all(&mut self, seen: &mut Seen) -> Outcome {
        self.scan(seen)
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let position = self.positions.get(usize::try_from(number)?);
        let wal = self.wal.as_ref().ok_or("not open")?;
        let mut chunk = wal.read_at(*position.ok_or("a message is missing")?)?;
        self.buffer.clear();
        chunk.read_to_end(&mut self.buffer)?;
        ensure(chunk.crc_is_valid()?, "a wrong checksum")?;
        seen.same_joined(number, &self.buffer)
    }

    fn close(self: Box<Self>) -> Outcome {
        if let Some(wal) = self.wal {
            wal.shutdown()?;
        }
        Ok(())
    }
}
