//! Memory for encoding, which each thread reuses.

use std::cell::Cell;

use super::codec::{Codec, EncodeRef};
use super::message::TNewMessage;
use crate::{Error, MessagePart, NewMessage, Result};

/// A thread frees its memory if it has grown beyond this many bytes.
const KEPT_MAX: usize = 1 << 20;

#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    /// For each message of the batch, where its key and its value end in `bytes`.
    ends: Vec<(usize, usize)>,
    /// Always empty. Only its allocated memory is used.
    messages: Vec<NewMessage<'static>>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    /// Lends the thread's memory, empty. A codec that encodes messages of its own gets another
    /// piece.
    pub(super) fn lend<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let result = work(&mut scratch);
        scratch.bytes.clear();
        scratch.ends.clear();
        let len = scratch.messages.capacity() * size_of::<NewMessage<'_>>();
        if scratch.bytes.capacity().max(len) <= KEPT_MAX {
            // A thread that is ending keeps nothing.
            let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
        }
        result
    }

    /// Encodes one key.
    pub(super) fn key<C: Codec>(&mut self, codec: &C, key: &C::Item) -> Result<&[u8]> {
        self.append(codec, Some(key), 0, MessagePart::Key)?;
        Ok(&self.bytes)
    }

    /// Encodes what a key lends.
    pub(super) fn key_ref<C: EncodeRef<Q>, Q: ?Sized>(&mut self, codec: &C, key: &Q) -> Result<&[u8]> {
        let encoded = codec.encode_ref(key, &mut self.bytes);
        let (index, part) = (0, MessagePart::Key);
        encoded.map_err(|source| Error::Encode { index, part, source })?;
        Ok(&self.bytes)
    }

    /// Encodes `messages` and calls `publish` with them.
    pub(super) fn publish<KC: Codec, VC: Codec, T>(
        &mut self,
        (keys, values): (&KC, &VC),
        messages: &[TNewMessage<'_, KC::Item, VC::Item>],
        publish: impl FnOnce(&[NewMessage<'_>]) -> Result<T>,
    ) -> Result<T> {
        for (index, message) in messages.iter().enumerate() {
            let key_end = self.append(keys, message.key, index, MessagePart::Key)?;
            let value_end = self.append(values, message.value, index, MessagePart::Value)?;
            self.ends.push((key_end, value_end));
        }
        let mut encoded = NewMessage::emptied(std::mem::take(&mut self.messages));
        let mut start = 0;
        for (message, (key_end, value_end)) in messages.iter().zip(&self.ends) {
            let part = |start, end| self.bytes.get(start..end).unwrap_or_default();
            encoded.push(NewMessage {
                time: message.time,
                key: message.key.map(|_| part(start, *key_end)),
                value: message.value.map(|_| part(*key_end, *value_end)),
                headers: message.headers,
            });
            start = *value_end;
        }
        let published = publish(&encoded);
        self.messages = NewMessage::emptied(encoded);
        published
    }

    /// Appends the bytes of an item, if there is one, and returns where they end.
    fn append<C: Codec>(
        &mut self,
        codec: &C,
        item: Option<&C::Item>,
        index: usize,
        part: MessagePart,
    ) -> Result<usize> {
        let start = self.bytes.len();
        if let Some(item) = item {
            let encoded = codec.encode(item, &mut self.bytes).and_then(|()| {
                if self.bytes.len() < start {
                    return Err("the codec removed bytes that it had not written".into());
                }
                Ok(())
            });
            encoded.map_err(|source| Error::Encode { index, part, source })?;
        }
        Ok(self.bytes.len())
    }
}
