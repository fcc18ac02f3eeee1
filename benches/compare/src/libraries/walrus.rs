//! walrus, a write-ahead log with topics.

use std::path::Path;

use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

use super::{NO_KEYS, NO_QUEUE};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Purpose, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, KEY_LEN};

pub(crate) const WAY: Way = Way {
    name: "walrus",
    library: "walrus-rust",
    about,
    open,
};

/// It takes its directory from the environment, and prints what it does unless told not to.
pub(crate) const ENVIRONMENT: [(&str, Option<&str>); 2] =
    [("WALRUS_QUIET", Some("1")), ("WALRUS_DATA_DIR", None)];

const TOPIC: &str = "log";
/// The bytes that it puts before each message.
const PREFIX_LEN: usize = 64;

fn about(row: Row) -> About {
    match row {
        Row::One => About::Can("`NoFsync`: pwrite, in the page cache; syncs every 10 MiB all the same"),
        Row::Many | Row::ManyLarge => {
            About::Lacks("a batch always syncs, whatever the schedule; one by one see W1")
        }
        Row::Durable | Row::Durable16 | Row::Durable64 => {
            About::Can("`SyncEach`: `O_SYNC` and fsync on top; not shared by threads")
        }
        Row::Consume => About::Can(
            "`AtLeastOnce`, so that the cursor is not written each time; verifies every checksum; a new \
             io_uring for each batch",
        ),
        Row::Scan => About::Lacks("only a cursor, see consume"),
        Row::Offset => About::Lacks("messages have no offsets"),
        Row::Key => About::Lacks(NO_KEYS),
        Row::Open => About::Can("the first message, as there are no offsets; reads and verifies everything"),
        Row::Queue => About::Lacks(NO_QUEUE),
    }
}

fn open(_dir: &Path, purpose: Purpose) -> Outcome<Box<dyn Store>> {
    let schedule = if purpose.durable {
        FsyncSchedule::SyncEach
    } else {
        FsyncSchedule::NoFsync
    };
    // As in its documentation.
    let consistency = ReadConsistency::AtLeastOnce { persist_every: 1_000 };
    Ok(Box::new(Log {
        walrus: Walrus::with_consistency_and_schedule(consistency, schedule)?,
        buffer: Vec::new(),
        batch_bytes: BATCH_COUNT * (PREFIX_LEN + KEY_LEN + purpose.value_len),
    }))
}

struct Log {
    walrus: Walrus,
    buffer: Vec<u8>,
    /// The limit of a read that gives 64 messages.
    batch_bytes: usize,
}

impl Store for Log {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        self.buffer.clear();
        message.append_to(&mut self.buffer);
        self.walrus.append_for_topic(TOPIC, &self.buffer)?;
        Ok(())
    }

    fn publish_durably(&self, _thread: u64, message: Message<'_>) -> Outcome {
        self.walrus.append_for_topic(TOPIC, &message.joined())?;
        Ok(())
    }

    fn build(&mut self, batch: &[Message<'_>]) -> Outcome {
        batch.iter().try_for_each(|message| self.publish_one(*message))
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        loop {
            let batch = self.walrus.batch_read_for_topic(TOPIC, self.batch_bytes, true)?;
            if batch.is_empty() {
                return Ok(());
            }
            for entry in &batch {
                seen.next_joined(&entry.data)?;
            }
        }
    }

    fn read_all(&mut self, seen: &mut Seen) -> Outcome {
        // One by one: a batch of 0.2.0 that reaches the block that is being written leaves out
        // messages of the block before.
        while let Some(entry) = self.walrus.read_next(TOPIC, true)? {
            seen.next_joined(&entry.data)?;
        }
        Ok(())
    }

    fn get_first(&mut self, _number: u64, seen: &Seen) -> Outcome {
        let entry = self.walrus.read_next(TOPIC, false)?;
        seen.same_joined(0, &entry.ok_or("a message is missing")?.data)
    }

    fn close(self: Box<Self>) -> Outcome {
        drop(self);
        Ok(())
    }
}
