//! commitlog: a log of bytes by offset, flushed by the caller, without group commit.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use commitlog::message::{MessageBuf, MessageSet as _};
use commitlog::{CommitLog, LogOptions, ReadLimit};
use duramen::NewMessage;

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit, decode, encode};

pub(crate) const KIND: Kind = Kind {
    name: "commitlog",
    rows: &["W1", "W2", "W2k", "W3", "W4", "W4b", "W5", "W6", "W9"],
    open,
};

struct Commitlog {
    log: Mutex<CommitLog>,
    durable: Durable,
}

fn open(dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    let log = Mutex::new(CommitLog::new(LogOptions::new(dir))?);
    Ok(Box::new(Commitlog { log, durable }))
}

impl Peer for Commitlog {
    fn publish(&self, _first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let mut buffer = Vec::with_capacity(256);
        let mut set = MessageBuf::default();
        for message in messages {
            buffer.clear();
            encode(message, &mut buffer);
            set.push(&buffer).map_err(|_| "a message is too large")?;
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.append(&mut set)?;
        if self.durable == Durable::AtOnce {
            log.flush()?;
        }
        Ok(())
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = 0;
        loop {
            // Its limit is in bytes: about 64 messages.
            let set = log.read(next, ReadLimit::max_bytes(64 * 168))?;
            if set.is_empty() {
                return Ok(());
            }
            for message in set.iter() {
                decode(message.payload(), visit)?;
                next = message.offset() + 1;
            }
        }
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let set = log.read(number, ReadLimit::max_bytes(200))?;
        let message = set.iter().next().ok_or("a message was not found")?;
        decode(message.payload(), visit)
    }

    fn close(self: Box<Self>) -> Outcome {
        let mut log = self.log.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(log.flush()?)
    }
}
