//! mrecordlog, a write-ahead log for several queues.

use std::borrow::Cow;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::time::Duration;

use ::mrecordlog::{MultiRecordLog, SyncPolicy};
use bytes::Buf;
use tokio::runtime::Runtime;

use super::{NO_KEYS, NO_QUEUE};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Seen, Store, Way};
use crate::workload::BATCH_COUNT;

pub(crate) const WAY: Way = Way {
    name: "mrecordlog",
    library: "mrecordlog",
    about,
    open: |dir, _| open(dir, SyncPolicy::OnAppend),
};

pub(crate) const BUFFERED: Way = Way {
    name: "mrecordlog, buffered",
    library: "mrecordlog",
    about: |row| match row {
        Row::One | Row::Many | Row::ManyLarge => About::Can(
            "NOT EQUAL: `OnDelay` keeps up to 32 KiB in the process, lost when it dies; all messages \
             also stay in memory",
        ),
        _ => About::Skipped,
    },
    open: |dir, _| open(dir, SyncPolicy::OnDelay(Duration::from_secs(5))),
};

const QUEUE: &str = "log";

fn about(row: Row) -> About {
    match row {
        Row::One | Row::Many | Row::ManyLarge => About::Can(
            "`OnAppend`: in the page cache, written by a thread of the runtime; all messages also \
             stay in memory",
        ),
        Row::Durable | Row::Durable16 | Row::Durable64 => {
            About::Lacks("never syncs: 0.4.0 only flushes its buffer to the system")
        }
        Row::Consume | Row::Scan | Row::Offset => {
            About::Can("from memory, no checksum verified; they are verified when it opens")
        }
        Row::Key => About::Lacks(NO_KEYS),
        Row::Open => About::Can("reads everything into memory"),
        Row::Queue => About::Lacks(NO_QUEUE),
    }
}

fn open(dir: &Path, policy: SyncPolicy) -> Outcome<Box<dyn Store>> {
    // As in its benchmark.
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let mut log = runtime.block_on(MultiRecordLog::open_with_prefs(dir, policy))?;
    if !log.queue_exists(QUEUE) {
        runtime.block_on(log.create_queue(QUEUE))?;
    }
    Ok(Box::new(MRecordLog { runtime, log }))
}

struct MRecordLog {
    runtime: Runtime,
    log: MultiRecordLog,
}

#[inline]
fn payload<'a>(message: &Message<'a>) -> impl Buf + use<'a> {
    message.key.chain(message.value)
}

impl MRecordLog {
    fn range(
        &self,
        range: impl RangeBounds<u64> + 'static,
    ) -> Outcome<impl Iterator<Item = (u64, Cow<'_, [u8]>)>> {
        let messages = self.log.range(QUEUE, range);
        Ok(messages.map_err(|error| format!("{error:?}"))?)
    }
}

impl Store for MRecordLog {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        let append = self.log.append_record(QUEUE, None, payload(&message));
        self.runtime.block_on(append)?;
        Ok(())
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        let append = self.log.append_records(QUEUE, None, batch.iter().map(payload));
        self.runtime.block_on(append)?;
        Ok(())
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        loop {
            let next = seen.count();
            for (_, bytes) in self.range(next..next + BATCH_COUNT as u64)? {
                seen.next_joined(&bytes)?;
            }
            if seen.count() == next {
                return Ok(());
            }
        }
    }

    fn scan(&mut self, seen: &mut Seen) -> Outcome {
        for (_, bytes) in self.range(..)? {
            seen.next_joined(&bytes)?;
        }
        Ok(())
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let alone = (Bound::Included(number), Bound::Included(number));
        let (_, bytes) = self.range(alone)?.next().ok_or("a message is missing")?;
        seen.same_joined(number, &bytes)
    }

    fn close(mut self: Box<Self>) -> Outcome {
        self.runtime.block_on(self.log.sync())?;
        Ok(())
    }
}
