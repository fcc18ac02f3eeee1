//! Cursors and consumers whose keys and values have types.

use std::sync::Arc;
use std::time::Duration;

use duramen::{
    Backoff, BoxError, Consumer, Cursors, Error, Filter, Log, MemoryLog, NewMessage, Options, Start, Stopper,
    TBlockingLog, TConsumer, TCursor, THandler, TMessage, TNewMessage, codec,
};

type Names = TBlockingLog<codec::U64, codec::Utf8, Arc<MemoryLog>>;

/// Three names, of which the second is not text.
fn names() -> (Arc<MemoryLog>, Names) {
    let raw = Arc::new(MemoryLog::new());
    let log = TBlockingLog::new(Arc::clone(&raw), codec::U64, codec::Utf8);
    let publish = |key: u64, name: &str| log.publish(&[TNewMessage::new(&key, &name.to_owned())]);
    publish(1, "Ada").expect("published");
    raw.publish(&[NewMessage::value(b"\xff")]).expect("published");
    publish(3, "Grace").expect("published");
    (raw, log)
}

#[test]
fn a_cursor_decodes_and_is_past_what_it_cannot() {
    let (_raw, log) = names();
    let cursor = log.raw().cursor(Start::Oldest, Filter::any()).expect("a cursor");
    let mut cursor = TCursor::new(cursor, codec::U64, codec::Utf8);
    let first = cursor.next().expect("read");
    assert_eq!((first.key, first.value.as_deref()), (Some(1), Some("Ada")));
    assert!(matches!(cursor.next(), Err(Error::Decode(error)) if error.message.offset == 1));
    assert_eq!(cursor.next_offset(), 2);
    let third = cursor.next_timeout(Duration::from_secs(20)).expect("read");
    assert_eq!(third.expect("there").value.as_deref(), Some("Grace"));
    assert!(cursor.next_timeout(Duration::ZERO).expect("read").is_none());
    cursor.raw().close().expect("closed");
    assert!(matches!(cursor.next(), Err(Error::CursorClosed)));
}

/// Collects names, and stops at Grace.
struct Collect {
    next_offset: u64,
    names: Vec<String>,
    skipped: Vec<u64>,
    idle: u32,
    stopper: Stopper,
}

impl THandler<u64, String> for Collect {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        Ok(self.next_offset)
    }

    fn handle(&mut self, _expected: u64, message: TMessage<u64, String>) -> Result<(), BoxError> {
        self.next_offset = message.offset + 1;
        self.names.extend(message.value);
        if message.key == Some(3) {
            self.stopper.stop();
        }
        Ok(())
    }

    fn skipped(&mut self, _expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        self.skipped.push(next_offset);
        self.next_offset = next_offset;
        Ok(next_offset)
    }

    fn idle(&mut self) -> Result<(), BoxError> {
        self.idle += 1;
        Ok(())
    }
}

fn at_once(log: &Names) -> Consumer<Arc<MemoryLog>> {
    let backoff = Backoff::new()
        .first(Duration::from_micros(1))
        .max(Duration::from_micros(1));
    Consumer::new(log.raw()).backoff(backoff).attempts_max(2)
}

#[test]
fn a_consumer_buries_what_cannot_be_decoded() {
    let (_raw, log) = names();
    let dead = Arc::new(MemoryLog::new());
    let consumer = at_once(&log).dead_letter("names", &dead);
    let consumer = TConsumer::new(consumer, codec::U64, codec::Utf8);
    let mut collect = Collect {
        next_offset: 0,
        names: Vec::new(),
        skipped: Vec::new(),
        idle: 0,
        stopper: consumer.raw().stopper(),
    };
    consumer.run(&mut collect).expect("stopped");
    assert_eq!(collect.names, ["Ada", "Grace"]);
    assert_eq!((collect.skipped, collect.idle), (vec![2], 1));
    let letter = dead.get(Start::Oldest).expect("buried");
    assert_eq!(letter.value.as_deref(), Some(&b"\xff"[..]));
}

#[test]
fn a_stored_handler_decodes() {
    let (raw, log) = names();
    let dir = tempfile::tempdir().expect("a directory");
    let cursors = Cursors::open(dir.path(), &Options::new()).expect("opened");
    let cursors = cursors.with_log("names", &raw);
    let consumer = TConsumer::new(at_once(&log), codec::U64, codec::Utf8);
    let mut seen = Vec::new();
    let collect = consumer.decoding(|message| {
        seen.extend(message.value);
        Ok(())
    });
    let ended = consumer
        .raw()
        .run(&mut cursors.handler("reader", "names", 0, collect));
    assert!(
        matches!(ended, Err(Error::Handler { offset: Some(1), .. })),
        "{ended:?}"
    );
    assert_eq!(seen, ["Ada"]);
    assert_eq!(cursors.lag("reader", "names", 0).expect("looked"), Some(2));
}
