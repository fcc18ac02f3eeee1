//! walrus-rust: topics of bytes with a persisted reading position; no access by offset.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use duramen::NewMessage;
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, encoded};

pub(crate) const KIND: Kind = Kind {
    name: "walrus-rust",
    rows: &["W1", "W2", "W2k", "W3", "W4", "W4b"],
    open,
};

const TOPIC: &str = "messages";

struct WalrusLog(Walrus);

/// It takes its directory, and to be quiet, from the environment only.
pub(crate) fn set_environment(dir: &Path) {
    // SAFETY: called at the start of the program, when there is one thread.
    unsafe {
        std::env::set_var("WALRUS_QUIET", "1");
        std::env::set_var("WALRUS_DATA_DIR", dir.join(KIND.name));
    }
}

fn open(_dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    // A name of its own for each: its threads and files live as long as the process.
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let key = format!("log-{}", OPENED.fetch_add(1, Ordering::Relaxed));
    let schedule = match durable {
        Durable::Later => FsyncSchedule::NoFsync,
        Durable::AtOnce => FsyncSchedule::SyncEach,
    };
    let reads = ReadConsistency::AtLeastOnce { persist_every: 1_000 };
    let log = Walrus::with_consistency_and_schedule_for_key(&key, reads, schedule)?;
    Ok(Box::new(WalrusLog(log)))
}

impl Peer for WalrusLog {
    fn publish(&self, _first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        if let [message] = messages {
            self.0.append_for_topic(TOPIC, &encoded(message))?;
            return Ok(());
        }
        let encoded: Vec<Vec<u8>> = messages.iter().map(encoded).collect();
        let slices: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        self.0.batch_append_for_topic(TOPIC, &slices)?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(())
    }
}
