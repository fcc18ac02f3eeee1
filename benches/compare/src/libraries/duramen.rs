//! duramen itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::duramen::queue::{Queue, QueueOptions};
use ::duramen::{Durability, FileLog, Log as _, NewMessage, Options, Start, Timestamp};

use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Purpose, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, ensure};

pub(crate) const PLAIN: Way = Way {
    name: "duramen",
    library: "duramen",
    about: |row| match row {
        Row::Consume | Row::Scan | Row::Offset | Row::Key | Row::Open => About::Skipped,
        _ => about(row),
    },
    open: |dir, purpose| open(dir, purpose, false),
};

pub(crate) const INDEXED: Way = Way {
    name: "duramen, both indexes",
    library: "duramen",
    about: |row| match row {
        Row::Queue => About::Skipped,
        _ => about(row),
    },
    open: |dir, purpose| open(dir, purpose, true),
};

fn about(row: Row) -> About {
    About::Can(match row {
        Row::One | Row::Many | Row::ManyLarge => "`Durability::Os`: in the page cache",
        Row::Durable | Row::Durable16 | Row::Durable64 => {
            "`Durability::EachPublish`: fdatasync, shared by threads; visible only when durable"
        }
        Row::Scan => "borrowed `scan`; verifies every checksum",
        Row::Consume | Row::Offset | Row::Key | Row::Open => "verifies every checksum",
        Row::Queue => "`Durability::Os`: each attempt and each outcome in the page cache",
    })
}

fn open(dir: &Path, purpose: Purpose, indexed: bool) -> Outcome<Box<dyn Store>> {
    if purpose.queue {
        return open_queue(dir);
    }
    let durability = if purpose.durable {
        Durability::EachPublish
    } else {
        Durability::Os
    };
    let options = Options::new()
        .create_dirs(true)
        .key_index(indexed)
        .time_index(indexed)
        .durability(durability);
    Ok(Box::new(Duramen(options.open(dir)?)))
}

/// As Q1 of `benches/targets`.
fn open_queue(dir: &Path) -> Outcome<Box<dyn Store>> {
    let log = Arc::new(Options::new().create_dirs(true).open(dir.join("log"))?);
    let queue = Queue::open(Arc::clone(&log), dir.join("queue"), QueueOptions::new())?;
    Ok(Box::new(Jobs { log, queue }))
}

#[derive(Debug)]
struct Duramen(FileLog);

/// A log whose messages are jobs.
#[derive(Debug)]
struct Jobs {
    log: Arc<FileLog>,
    queue: Queue<Arc<FileLog>>,
}

#[inline]
fn new_message<'a>(message: &Message<'a>) -> NewMessage<'a> {
    NewMessage::new(message.key, message.value).time(Timestamp::from_micros(message.time))
}

fn publish(log: &FileLog, batch: &[Message<'_>]) -> Outcome {
    let batch: Vec<NewMessage<'_>> = batch.iter().map(new_message).collect();
    log.publish(&batch)?;
    Ok(())
}

impl Store for Duramen {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        self.0.publish(std::slice::from_ref(&new_message(&message)))?;
        Ok(())
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        publish(&self.0, batch)
    }

    fn publish_durably(&self, _thread: u64, message: Message<'_>) -> Outcome {
        self.0.publish(std::slice::from_ref(&new_message(&message)))?;
        Ok(())
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        let mut next = 0;
        loop {
            let batch = self.0.consume(Start::At(next), BATCH_COUNT)?;
            if batch.next_offset == next {
                return Ok(());
            }
            for message in &batch {
                seen.next(
                    message.key.as_deref().unwrap_or_default(),
                    message.value.as_deref().unwrap_or_default(),
                )?;
            }
            next = batch.next_offset;
        }
    }

    fn scan(&mut self, seen: &mut Seen) -> Outcome {
        let mut scan = self.0.scan(Start::Oldest)?;
        while let Some(message) = scan.next()? {
            seen.next(message.key.unwrap_or_default(), message.value.unwrap_or_default())?;
        }
        Ok(())
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let message = self.0.get(Start::At(number))?;
        seen.same(
            number,
            message.key.as_deref().unwrap_or_default(),
            message.value.as_deref().unwrap_or_default(),
        )
    }

    fn get_by_key(&mut self, key: &[u8], number: u64, seen: &Seen) -> Outcome {
        let message = self.0.get_by_key(key)?;
        ensure(message.offset == number, "not the last message with its key")?;
        seen.same(
            number,
            message.key.as_deref().unwrap_or_default(),
            message.value.as_deref().unwrap_or_default(),
        )
    }

    fn close(self: Box<Self>) -> Outcome {
        self.0.close()?;
        Ok(())
    }
}

impl Store for Jobs {
    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        publish(&self.log, batch)
    }

    fn work(&mut self, seen: &mut Seen) -> Outcome<bool> {
        let Some(job) = self.queue.next(Some(Duration::ZERO))? else {
            return Ok(false);
        };
        seen.next(
            job.key.as_deref().unwrap_or_default(),
            job.value.as_deref().unwrap_or_default(),
        )?;
        job.done()?;
        Ok(true)
    }

    fn close(self: Box<Self>) -> Outcome {
        self.queue.close()?;
        self.log.close()?;
        Ok(())
    }
}
