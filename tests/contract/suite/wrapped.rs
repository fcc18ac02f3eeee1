//! The wrappers: what they wrap keeps the contract through them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use duramen::{
    Ack, BackupReport, Batch, BlockingLog, Deleted, Log, Message, NewMessage, Place, Position,
    PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, TBatch, TBlockingLog, TLog, TMessage,
    TNewMessage, Timestamp, Token, Trimmed, codec,
};

use super::{files, memory, run_light};

#[test]
fn a_blocking_log_keeps_the_contract() {
    let report = run_light(&|setup| Box::new(BlockingLog::new(memory(setup))));
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_blocking_file_log_keeps_the_contract() {
    let report = files::run_as(|log| Box::new(BlockingLog::new(log)));
    assert!(report.is_ok(), "{report}");
}

#[test]
fn the_raw_side_of_a_typed_log_keeps_the_contract() {
    let report = run_light(&|setup| Box::new(TLog::new(memory(setup), codec::Utf8, codec::U64).into_raw()));
    assert!(report.is_ok(), "{report}");
}

#[test]
fn the_raw_side_of_a_typed_blocking_log_keeps_the_contract() {
    let report = run_light(&|setup| {
        let log = TBlockingLog::new(memory(setup), codec::Utf8, codec::U64);
        Box::new(log.raw().clone())
    });
    assert!(report.is_ok(), "{report}");
}

/// Everything through a typed log's own methods, with bytes for keys and values: they keep the contract too.
#[test]
fn a_typed_log_of_bytes_keeps_the_contract() {
    let report = run_light(&|setup| Box::new(Typed(TLog::new(memory(setup), codec::Bytes, codec::Bytes))));
    assert!(report.is_ok(), "{report}");
}

/// A typed log as a log of bytes.
pub(crate) struct Typed<L>(pub(crate) TLog<codec::Bytes, codec::Bytes, L>);

fn raw(message: TMessage<Bytes, Bytes>) -> Message {
    Message {
        offset: message.offset,
        time: message.time,
        key: message.key,
        value: message.value,
        headers: message.headers,
    }
}

fn raw_batch(batch: TBatch<Bytes, Bytes>) -> Batch {
    Batch {
        next_offset: batch.next_offset,
        messages: batch
            .into_iter()
            .map(|message| raw(message.expect("bytes")))
            .collect(),
    }
}

/// Calls `publish` with the messages in typed form.
fn typed<T>(messages: &[NewMessage<'_>], publish: impl FnOnce(&[TNewMessage<'_, Bytes, Bytes>]) -> T) -> T {
    let copy = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
    let parts: Vec<_> = messages
        .iter()
        .map(|message| (copy(message.key), copy(message.value)))
        .collect();
    let typed: Vec<_> = messages
        .iter()
        .zip(&parts)
        .map(|(message, (key, value))| TNewMessage {
            time: message.time,
            key: key.as_ref(),
            value: value.as_ref(),
            headers: message.headers,
        })
        .collect();
    publish(&typed)
}

impl<L: Log> Log for Typed<L> {
    fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64> {
        typed(messages, |messages| self.0.publish(messages))
    }
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        typed(messages, |messages| self.0.publish_with(messages, how))
    }
    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        typed(messages, |messages| self.0.append(messages, how))
    }
    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        let read = self.0.read(from, how)?;
        let messages = read.messages.into_iter();
        let messages = messages.map(|message| raw(message.expect("bytes"))).collect();
        let mut batch = ReadBatch::new(messages, read.next_offset, read.tail, read.stopped);
        batch.controls = read.controls;
        Ok(batch)
    }
    fn tail(&self) -> Result<Place> {
        self.0.tail()
    }
    fn token(&self) -> Result<Token> {
        self.0.token()
    }
    fn is_sealed(&self) -> Result<bool> {
        self.0.is_sealed()
    }
    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        self.0.wait_synced(offset, timeout)
    }
    fn start_offset(&self) -> Result<u64> {
        self.0.start_offset()
    }
    fn next_offset(&self) -> Result<u64> {
        self.0.next_offset()
    }
    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        self.0.consume(from, max_count).map(raw_batch)
    }
    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        let key = Bytes::copy_from_slice(key);
        self.0.consume_by_key(&key, from, max_count).map(raw_batch)
    }
    fn get(&self, at: Start) -> Result<Message> {
        self.0.get(at).map(raw)
    }
    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        self.0.get_by_key(&Bytes::copy_from_slice(key)).map(raw)
    }
    fn offset_by_key(&self, key: &[u8]) -> Result<u64> {
        self.0.offset_by_key(&Bytes::copy_from_slice(key))
    }
    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.0.get_by_time(start).map(raw)
    }
    fn offset_by_time(&self, start: Timestamp) -> Result<(u64, Timestamp)> {
        self.0.offset_by_time(start)
    }
    fn position(&self) -> Result<Position> {
        self.0.position()
    }
    fn position_at(&self, offset: u64) -> Result<Position> {
        self.0.position_at(offset)
    }
    fn resume(&self, position: Position) -> Result<Start> {
        self.0.resume(position)
    }
    fn size(&self, message: &NewMessage<'_>) -> u64 {
        typed(&[*message], |message| self.0.size(&message[0])).expect("bytes")
    }
    fn stat(&self) -> Result<Stats> {
        self.0.stat()
    }
    fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted> {
        self.0.delete(offsets)
    }
    fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        self.0.delete_some(offsets)
    }
    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.0.trim(before)
    }
    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        self.0.apply_retention(dry_run)
    }
    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.0.backup(dir)
    }
    fn sync(&self) -> Result<u64> {
        self.0.sync()
    }
    fn gc(&self, unused_for: Duration) -> Result<()> {
        self.0.gc(unused_for)
    }
    fn close(&self) -> Result<()> {
        self.0.close()
    }
}
