//! A codec for keys and one for values.

use super::codec::{Codec, EncodeRef};
use super::message::{TMessage, TNewMessage};
use super::scratch::Scratch;
use crate::{DecodeError, Message, MessagePart, NewMessage, Result};

/// What typed wrappers encode and decode by.
#[derive(Clone)]
pub(crate) struct Codecs<KC, VC> {
    pub(crate) keys: KC,
    pub(crate) values: VC,
}

impl<KC: Codec, VC: Codec> Codecs<KC, VC> {
    pub(crate) fn decode(&self, message: Message) -> Result<TMessage<KC::Item, VC::Item>, DecodeError> {
        let key = message.key.as_ref().map(|key| self.keys.decode_shared(key));
        let key = match key.transpose() {
            Ok(key) => key,
            Err(source) => return Err(DecodeError::new(message, MessagePart::Key, source)),
        };
        let value = message
            .value
            .as_ref()
            .map(|value| self.values.decode_shared(value));
        match value.transpose() {
            Ok(value) => Ok(TMessage {
                offset: message.offset,
                time: message.time,
                key,
                value,
                headers: message.headers,
            }),
            Err(source) => Err(DecodeError::new(message, MessagePart::Value, source)),
        }
    }

    /// Calls `publish` with the encoded messages.
    pub(crate) fn encoded<T>(
        &self,
        messages: &[TNewMessage<'_, KC::Item, VC::Item>],
        publish: impl FnOnce(&[NewMessage<'_>]) -> Result<T>,
    ) -> Result<T> {
        Scratch::lend(|scratch| scratch.publish((&self.keys, &self.values), messages, publish))
    }

    /// Calls `find` with the bytes of `key`.
    pub(super) fn with_key<T>(&self, key: &KC::Item, find: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        Scratch::lend(|scratch| find(scratch.key(&self.keys, key)?))
    }

    /// Calls `find` with the bytes of the key that lends `key`.
    pub(super) fn with_key_ref<Q: ?Sized, T>(
        &self,
        key: &Q,
        find: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T>
    where
        KC: EncodeRef<Q>,
    {
        Scratch::lend(|scratch| find(scratch.key_ref(&self.keys, key)?))
    }
}
