//! mrecordlog: queues kept in memory and in a log, which it flushes to the system but, in this version, never syncs.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use duramen::NewMessage;
use mrecordlog::{MultiRecordLog, SyncPolicy};
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit, decode, encoded};

pub(crate) const KIND: Kind = Kind {
    name: "mrecordlog",
    rows: &["W1", "W2", "W2k", "W5", "W6", "W9"],
    open,
};

const QUEUE: &str = "messages";

struct RecordLog {
    log: Mutex<MultiRecordLog>,
    runtime: Runtime,
}

fn open(dir: &Path, _durable: Durable) -> Outcome<Box<dyn Peer>> {
    let runtime = Builder::new_current_thread().build()?;
    let mut log = runtime.block_on(MultiRecordLog::open_with_prefs(dir, SyncPolicy::OnAppend))?;
    if !log.queue_exists(QUEUE) {
        runtime.block_on(log.create_queue(QUEUE))?;
    }
    Ok(Box::new(RecordLog {
        log: Mutex::new(log),
        runtime,
    }))
}

impl Peer for RecordLog {
    fn publish(&self, _first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let encoded: Vec<Vec<u8>> = messages.iter().map(encoded).collect();
        let payloads = encoded.iter().map(Vec::as_slice);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(log.append_records(QUEUE, None, payloads))?;
        Ok(())
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, payload) in log.range(QUEUE, ..)? {
            decode(&payload, visit)?;
        }
        Ok(())
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, payload) = log
            .range(QUEUE, number..=number)?
            .next()
            .ok_or("a message was not found")?;
        decode(&payload, visit)
    }

    fn close(self: Box<Self>) -> Outcome {
        let RecordLog { log, runtime } = *self;
        let mut log = log.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(runtime.block_on(log.sync())?)
    }
}
