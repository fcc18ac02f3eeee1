//! duramen, with both indexes.

use std::path::Path;

use duramen::{Durability, FileLog, Log as _, NewMessage, Options, Start};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit};

pub(crate) const KIND: Kind = Kind {
    name: "duramen",
    rows: &["W1", "W2", "W2k", "W3", "W4", "W4b", "W5", "W6", "W7", "W9"],
    open,
};

struct Duramen(FileLog);

fn open(dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    let durability = match durable {
        Durable::Later => Durability::Os,
        Durable::AtOnce => Durability::EachPublish,
    };
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .durability(durability);
    Ok(Box::new(Duramen(options.open(dir)?)))
}

impl Peer for Duramen {
    fn publish(&self, _first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        self.0.publish(messages)?;
        Ok(())
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let mut next = 0;
        loop {
            let batch = self.0.consume(Start::At(next), 64)?;
            if batch.next_offset == next {
                return Ok(());
            }
            for message in &batch {
                visit(
                    message.key.as_deref().unwrap_or_default(),
                    message.value.as_deref().unwrap_or_default(),
                )?;
            }
            next = batch.next_offset;
        }
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let message = self.0.get(Start::At(number))?;
        visit(
            &message.key.unwrap_or_default(),
            &message.value.unwrap_or_default(),
        )
    }

    fn get_by_key(&self, key: &[u8], visit: Visit<'_>) -> Outcome {
        let message = self.0.get_by_key(key)?;
        visit(
            &message.key.unwrap_or_default(),
            &message.value.unwrap_or_default(),
        )
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(self.0.close()?)
    }
}
