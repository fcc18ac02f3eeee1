//! commitlog, a log in the manner of Kafka.

use std::path::Path;

use ::commitlog::message::{HEADER_SIZE, MessageBuf, MessageSet as _};
use ::commitlog::{CommitLog, LogOptions, ReadLimit};

use super::{NO_KEYS, NO_QUEUE};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Purpose, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, KEY_LEN};

pub(crate) const WAY: Way = Way {
    name: "commitlog",
    library: "commitlog",
    about,
    open,
};

fn about(row: Row) -> About {
    match row {
        Row::One | Row::Many | Row::ManyLarge => {
            About::Can("write, in the page cache; an index of offsets in a mapping")
        }
        Row::Durable | Row::Durable16 | Row::Durable64 => {
            About::Lacks("never syncs its messages: `flush` calls `File::flush`, which does nothing")
        }
        Row::Consume | Row::Offset => About::Can("verifies every checksum"),
        Row::Scan => About::Lacks("only reads of limited size, see consume"),
        Row::Key => About::Lacks(NO_KEYS),
        Row::Open => About::Can("does not check how the log ends; verifies the message's checksum"),
        Row::Queue => About::Lacks(NO_QUEUE),
    }
}

fn open(dir: &Path, purpose: Purpose) -> Outcome<Box<dyn Store>> {
    Ok(Box::new(Commit {
        log: CommitLog::new(LogOptions::new(dir))?,
        message_len: HEADER_SIZE + KEY_LEN + purpose.value_len,
        batch: MessageBuf::default(),
    }))
}

struct Commit {
    log: CommitLog,
    /// The bytes that a message takes in a segment, for limits of reads, which are in bytes.
    message_len: usize,
    batch: MessageBuf,
}

impl Commit {
    fn read(&self, first: u64, count: usize) -> Outcome<MessageBuf> {
        // One byte more, because it does not find the last message of a segment otherwise.
        let limit = ReadLimit::max_bytes(count * self.message_len + 1);
        Ok(self.log.read(first, limit)?)
    }
}

impl Store for Commit {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        self.publish_many(std::slice::from_ref(&message))
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        self.batch.clear();
        for message in batch {
            self.batch
                .push_with_metadata(message.key, message.value)
                .map_err(|error| format!("{error:?}"))?;
        }
        self.log.append(&mut self.batch)?;
        Ok(())
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        loop {
            let batch = self.read(seen.count(), BATCH_COUNT)?;
            if batch.is_empty() {
                return Ok(());
            }
            for message in batch.iter() {
                seen.next(message.metadata(), message.payload())?;
            }
        }
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let batch = self.read(number, 1)?;
        let message = batch.iter().next().ok_or("a message is missing")?;
        seen.same(number, message.metadata(), message.payload())
    }

    fn close(mut self: Box<Self>) -> Outcome {
        self.log.flush()?;
        Ok(())
    }
}
