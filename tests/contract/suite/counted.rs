//! A log that notes which of its methods are called: a wrapper has to pass each call on as it is. One that forgets a
//! provided method of the trait would answer with the default, and so drop a token without a word.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duramen::{
    Ack, BackupReport, Batch, BlockingLog, Changes, Deleted, LifeId, Log, MemoryLog, Message, NewMessage,
    Place, Position, PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, TBlockingLog, TLog,
    Timestamp, Token, Trimmed, codec,
};

use super::wrapped::Typed;

#[derive(Default)]
struct Counted {
    log: MemoryLog,
    calls: Mutex<Vec<&'static str>>,
}

/// Implements the trait by noting each call and passing it on, and lists the methods.
macro_rules! counted {
    ($(fn $name:ident(&$this:ident $(, $arg:ident: $type:ty)*) -> $return:ty;)*) => {
        impl Log for Counted {
            $(fn $name(&$this $(, $arg: $type)*) -> $return {
                $this.calls.lock().expect("no panic here").push(stringify!($name));
                $this.log.$name($($arg),*)
            })*
        }

        const METHODS: &[&str] = &[$(stringify!($name)),*];
    };
}

counted! {
    fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64>;
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64>;
    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack>;
    fn tail(&self) -> Result<Place>;
    fn token(&self) -> Result<Token>;
    fn is_sealed(&self) -> Result<bool>;
    fn start_offset(&self) -> Result<u64>;
    fn next_offset(&self) -> Result<u64>;
    fn position(&self) -> Result<Position>;
    fn position_at(&self, offset: u64) -> Result<Position>;
    fn resume(&self, position: Position) -> Result<Start>;
    fn consume(&self, from: Start, max_count: usize) -> Result<Batch>;
    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch>;
    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch>;
    fn get(&self, at: Start) -> Result<Message>;
    fn get_by_key(&self, key: &[u8]) -> Result<Message>;
    fn offset_by_key(&self, key: &[u8]) -> Result<u64>;
    fn get_by_time(&self, start: Timestamp) -> Result<Message>;
    fn offset_by_time(&self, start: Timestamp) -> Result<(u64, Timestamp)>;
    fn offset_by_age(&self, age: Duration) -> Result<Option<u64>>;
    fn size(&self, message: &NewMessage<'_>) -> u64;
    fn stat(&self) -> Result<Stats>;
    fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted>;
    fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted>;
    fn trim(&self, before: u64) -> Result<Trimmed>;
    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed>;
    fn backup(&self, dir: &Path) -> Result<BackupReport>;
    fn sync(&self) -> Result<u64>;
    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64>;
    fn gc(&self, unused_for: Duration) -> Result<()>;
    fn close(&self) -> Result<()>;
    fn changes(&self) -> Option<&Changes>;
}

/// The methods as the trait's source lists them.
fn declared() -> Vec<&'static str> {
    let source = include_str!("../../../src/log/contract.rs").lines();
    let methods = source.filter_map(|line| {
        let line = line.trim_start();
        let (kind, rest) = line.split_once(" fn ")?;
        let is_kind = [
            "publish", "change", "limit", "wait", "end", "fetch", "read", "plain",
        ]
        .contains(&kind);
        rest.split_once('(').map(|(name, _)| name).filter(|_| is_kind)
    });
    methods.collect()
}

#[test]
fn the_log_that_counts_knows_every_method() {
    assert_eq!(METHODS, declared());
}

type Call = fn(&dyn Log);

/// A call of each method, whatever it answers.
const CALLS: &[(&str, Call)] = &[
    ("publish", |log| drop(log.publish(&[]))),
    ("publish_with", |log| {
        drop(log.publish_with(&[], &PublishOptions::new()));
    }),
    ("append", |log| drop(log.append(&[], &PublishOptions::new()))),
    ("tail", |log| drop(log.tail())),
    ("token", |log| drop(log.token())),
    ("is_sealed", |log| drop(log.is_sealed())),
    ("start_offset", |log| drop(log.start_offset())),
    ("next_offset", |log| drop(log.next_offset())),
    ("position", |log| drop(log.position())),
    ("position_at", |log| drop(log.position_at(0))),
    ("resume", |log| {
        let life = LifeId::from_bytes([0; 16]);
        drop(log.resume(Position { life, offset: 0 }));
    }),
    ("consume", |log| drop(log.consume(Start::Oldest, 1))),
    ("read", |log| drop(log.read(Start::Oldest, &ReadOptions::new()))),
    ("consume_by_key", |log| {
        drop(log.consume_by_key(b"key", Start::Oldest, 1));
    }),
    ("get", |log| drop(log.get(Start::Oldest))),
    ("get_by_key", |log| drop(log.get_by_key(b"key"))),
    ("offset_by_key", |log| drop(log.offset_by_key(b"key"))),
    ("get_by_time", |log| drop(log.get_by_time(Timestamp::MIN))),
    ("offset_by_time", |log| drop(log.offset_by_time(Timestamp::MIN))),
    ("offset_by_age", |log| drop(log.offset_by_age(Duration::ZERO))),
    ("size", |log| {
        log.size(&NewMessage::value(b""));
    }),
    ("stat", |log| drop(log.stat())),
    ("delete", |log| drop(log.delete(&BTreeSet::new()))),
    ("delete_some", |log| drop(log.delete_some(&mut BTreeSet::new()))),
    ("trim", |log| drop(log.trim(0))),
    ("apply_retention", |log| drop(log.apply_retention(true))),
    ("backup", |log| drop(log.backup(Path::new("nowhere")))),
    ("sync", |log| drop(log.sync())),
    ("wait_synced", |log| drop(log.wait_synced(0, None))),
    ("gc", |log| drop(log.gc(Duration::ZERO))),
    ("close", |log| drop(log.close())),
    ("changes", |log| {
        log.changes();
    }),
];

#[test]
fn every_method_is_called() {
    let called: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    assert_eq!(called, METHODS);
}

/// Calls the methods of a wrapper that `is_passed_on` names, each of which has to become the same call of the log.
fn check<L: Log>(wrap: impl Fn(Arc<Counted>) -> L, is_passed_on: impl Fn(&str) -> bool) {
    for (name, call) in CALLS.iter().filter(|(name, _)| is_passed_on(name)) {
        let counted = Arc::new(Counted::default());
        call(&wrap(Arc::clone(&counted)));
        let mut calls = std::mem::take(&mut *counted.calls.lock().expect("no panic here"));
        // A wrapper may ask at any time whether it has to tell of changes itself.
        calls.retain(|call| *call != "changes" || *name == "changes");
        calls.dedup();
        assert_eq!(calls, [*name]);
    }
}

fn all(_: &str) -> bool {
    true
}

#[test]
fn pointers_pass_every_call_on_as_it_is() {
    check(|log| log, all);
    check(Box::new, all);
    check(Arc::new, all);
    check(|log| -> &'static Arc<Counted> { Box::leak(Box::new(log)) }, all);
    check(|log| -> Box<dyn Log> { Box::new(log) }, all);
    check(|log| -> Arc<dyn Log> { log }, all);
}

#[test]
fn a_blocking_log_passes_every_call_on_as_it_is() {
    check(BlockingLog::new, all);
}

#[test]
fn the_raw_side_of_a_typed_log_passes_every_call_on_as_it_is() {
    check(|log| TLog::new(log, codec::Utf8, codec::U64).into_raw(), all);
    check(
        |log| TBlockingLog::new(log, codec::Utf8, codec::U64).raw().clone(),
        all,
    );
}

/// By its own methods. Two it does not have.
#[test]
fn a_typed_log_passes_its_calls_on_as_they_are() {
    check(
        |log| Typed(TLog::new(log, codec::Bytes, codec::Bytes)),
        |name| !["offset_by_age", "changes"].contains(&name),
    );
}
