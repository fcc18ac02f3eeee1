use std::collections::HashMap;

use bytes::Bytes;

use crate::{Batch, Error, Log, Message, Result, Start};

/// How many messages are read at a time.
const READ_AHEAD: usize = 256;

/// The last message of each key below the log's next offset at the time of the call.
pub(super) fn by_key<L: Log + ?Sized>(log: &L) -> Result<Batch> {
    let end = log.next_offset()?;
    let mut latest: HashMap<Bytes, Message> = HashMap::new();
    let mut at = Start::Oldest;
    loop {
        let batch = match log.consume(at, READ_AHEAD) {
            Err(Error::OffsetOutOfRange { offset, start, .. }) if offset < start => {
                // The log was trimmed meanwhile. Messages trimmed before they were read may have
                // superseded messages that are held.
                latest.retain(|_, message| message.offset >= start);
                at = Start::At(start);
                continue;
            }
            other => other?,
        };
        let before = std::mem::replace(&mut at, Start::At(batch.next_offset));
        let is_over = batch.next_offset >= end || before == at;
        for message in batch.into_iter().filter(|message| message.offset < end) {
            if let Some(key) = &message.key {
                // The message itself would keep the memory of its whole batch.
                let copy = message.detach();
                match latest.get_mut(key) {
                    Some(held) => *held = copy,
                    None => drop(latest.insert(Bytes::copy_from_slice(key), copy)),
                }
            }
        }
        if is_over {
            break;
        }
    }
    let mut messages: Vec<Message> = latest.into_values().collect();
    messages.sort_unstable_by_key(|message| message.offset);
    Ok(Batch {
        messages,
        next_offset: end,
    })
}
