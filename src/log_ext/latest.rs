use std::collections::HashMap;

use bytes::Bytes;

use crate::{Batch, Error, Headers, Log, Message, Result, Start};

/// So many messages are read at a time.
const READ_AHEAD: usize = 256;

/// The last message of each key below what is the log's end now.
pub(super) fn by_key<L: Log + ?Sized>(log: &L) -> Result<Batch> {
    let end = log.next_offset()?;
    let mut latest: HashMap<Bytes, Message> = HashMap::new();
    let mut at = Start::Oldest;
    loop {
        let batch = match log.consume(at, READ_AHEAD) {
            Err(Error::OffsetOutOfRange { offset, start, .. }) if offset < start => {
                // Trimmed meanwhile. What was trimmed unseen may have been newer than what is held.
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
                let copy = copy(&message);
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

/// The message in memory of its own: it would otherwise keep that of its whole batch.
fn copy(message: &Message) -> Message {
    Message {
        offset: message.offset,
        time: message.time,
        key: message.key.as_deref().map(Bytes::copy_from_slice),
        value: message.value.as_deref().map(Bytes::copy_from_slice),
        headers: if message.headers.is_empty() {
            Headers::default()
        } else {
            Headers::new(message.headers.as_slice())
        },
    }
}
