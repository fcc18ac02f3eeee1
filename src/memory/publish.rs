//! Publishing to a log in memory.

use bytes::Bytes;

use super::handle::{MemoryLog, size};
use super::state::{NewBatch, State};
use crate::{
    Ack, BATCH_SIZE_MAX, Control, Error, Headers, Log, MESSAGE_SIZE_MAX, Message, NewMessage, PublishOptions,
    Result, Timestamp,
};

impl MemoryLog {
    /// See [`Log::append`].
    pub(super) fn append_batch(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        // A closed log fails with `Closed` before anything else is checked. The lock is not held
        // while bytes are copied.
        drop(self.state_now()?);
        check_sizes(messages)?;
        let controls: Vec<Control> = how.control_records()?.collect();
        let now = self.clock.now();
        let copies = messages.iter().map(|message| copy(message, now)).collect();
        let is_empty = messages.is_empty() && controls.is_empty();
        self.change(|state| {
            let next_offset = state.next_offset();
            let last_of_key = |key: &[u8]| self.need_key_index().map(|()| state.last_of_key(key));
            if let Some(ack) = state.guard.admit(how, next_offset, is_empty, last_of_key)? {
                return Ok(ack);
            }
            if is_empty {
                return Ok(Ack::of_nothing(state.tail()));
            }
            self.take(state, messages, copies, &controls, how, now)
        })
    }

    /// Adds a batch that was admitted, and trims what its control records say.
    fn take(
        &self,
        state: &mut State,
        messages: &[NewMessage<'_>],
        mut copies: Vec<Message>,
        controls: &[Control],
        how: &PublishOptions<'_>,
        now: Timestamp,
    ) -> Result<Ack> {
        let mut controls: Vec<(Control, Timestamp)> =
            controls.iter().map(|control| (*control, now)).collect();
        if !state.guard.keeps_times() {
            let without_time = vec![NewMessage::default(); controls.len()];
            let stamped = state.guard.stamp(messages, &without_time, now)?;
            let times = copies.iter_mut().map(|copy| &mut copy.time);
            let times = times.chain(controls.iter_mut().map(|(_, time)| time));
            for (time, record) in times.zip(&stamped) {
                *time = record.time.unwrap_or(now);
            }
        }
        let start = state.append(NewBatch {
            messages: copies,
            controls: &controls,
            producer: how.producer,
            now,
            size: messages.iter().map(|message| self.size(message)).sum(),
        })?;
        let tail = state.tail();
        if controls
            .iter()
            .any(|(control, _)| matches!(control, Control::Trim(_)))
        {
            state.trim(state.guard.state.trim_to, size);
        }
        if self.retention.is_limited() && state.size_since >= self.rollover {
            self.retain(state)?;
        }
        Ok(Ack::new(start, tail, tail))
    }

    /// Opens a sealed log again.
    ///
    /// # Errors
    ///
    /// See [`Log`].
    pub fn unseal(&self) -> Result<()> {
        let now = self.clock.now();
        self.change(|state| {
            if state.guard.state.is_sealed {
                let stamped = state.guard.stamp(&[], &[NewMessage::default()], now)?;
                let time = stamped.first().and_then(|record| record.time).unwrap_or(now);
                state.append(NewBatch {
                    messages: Vec::new(),
                    controls: &[(Control::Unseal, time)],
                    producer: None,
                    now,
                    size: 0,
                })?;
            }
            Ok(())
        })
    }
}

fn check_sizes(messages: &[NewMessage<'_>]) -> Result<()> {
    let mut batch_size = 0_u64;
    for (index, message) in messages.iter().enumerate() {
        let size = message.content_size();
        if size > MESSAGE_SIZE_MAX {
            return Err(Error::TooLarge {
                index: Some(index),
                size,
                limit: MESSAGE_SIZE_MAX,
            });
        }
        batch_size = batch_size.saturating_add(size);
    }
    if batch_size > BATCH_SIZE_MAX {
        return Err(Error::TooLarge {
            index: None,
            size: batch_size,
            limit: BATCH_SIZE_MAX,
        });
    }
    Ok(())
}

/// `message` with its own copy of the bytes. [`State::append`] sets the offset.
fn copy(message: &NewMessage<'_>, now: Timestamp) -> Message {
    Message {
        offset: 0,
        time: message.time.unwrap_or(now),
        key: message.key.map(Bytes::copy_from_slice),
        value: message.value.map(Bytes::copy_from_slice),
        headers: Headers::new(message.headers),
    }
}
