//! Messages that a handler never deals with.

#![expect(clippy::unnecessary_wraps, reason = "all cases have one signature")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{BoxError, Consumer, Error, Handler, Log, MemoryLog, Message, Result, Start};

use super::consumer::{Notes, consumer, fast, with_cursors};
use super::{Source, over_each_log};

const SOON: Duration = Duration::from_millis(20);

over_each_log! {
    fails_after_its_limit_of_attempts
    buries_what_has_reached_its_limit
    buries_a_message_once_though_it_runs_again
    buries_several_in_a_row_though_the_handler_stores_nothing
    buries_what_it_goes_back_to_rather_than_dropping_it
    buries_what_fails_behind_messages_that_are_handled_again
}

/// Stores nothing, and fails at these.
struct Forgets(Notes, &'static [u64]);

impl Handler for Forgets {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.0.next_offset().map(|_| 0)
    }

    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError> {
        self.0.handle(expected, message)?;
        if self.1.contains(&message.offset) {
            return Err("never".into());
        }
        Ok(())
    }
}

/// The offsets in letters, in order.
fn buried(dead: &MemoryLog) -> Vec<String> {
    let letters = dead.consume(Start::Oldest, 99).expect("letters");
    let offset = |letter: &Message| letter.headers.get(b"dead.offset").expect("a header").to_vec();
    let offsets = letters.messages.iter().map(offset);
    offsets
        .map(|offset| String::from_utf8(offset).expect("a text"))
        .collect()
}

fn fails_after_its_limit_of_attempts(source: &Source) -> Result<()> {
    source.publish("aa");
    let consumer = consumer(source).attempts_max(4);
    let mut notes = Notes::new(&consumer, 9);
    notes.fail = Some(|offset, _| if offset == 1 { Err("no".into()) } else { Ok(()) });
    let failed = consumer.run(&mut notes);
    let Err(Error::Handler {
        offset: Some(1),
        attempts: 4,
        ..
    }) = failed
    else {
        panic!("{failed:?}");
    };
    assert_eq!(notes.offsets(), [0, 1, 1, 1, 1]);
    Ok(())
}

fn buries_what_has_reached_its_limit(source: &Source) -> Result<()> {
    source.publish("abc");
    let dead = Arc::new(MemoryLog::new());
    let consumer = consumer(source).attempts_max(2).dead_letter("bills", &dead);
    let mut notes = Notes::new(&consumer, 4);
    notes.fail = Some(|offset, _| {
        if offset == 1 {
            Err("no money".into())
        } else {
            Ok(())
        }
    });
    consumer.run(&mut notes)?;
    assert_eq!(notes.calls, [(0, 0), (1, 1), (1, 1), (2, 2)]);
    assert_eq!(notes.skipped, [(1, 2)]);
    let letters = dead.consume(Start::Oldest, 9)?.messages;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(
        (letter.key.as_deref(), letter.value.as_deref()),
        (Some(&b"b"[..]), Some(&b"value"[..]))
    );
    let header = |name: &str| letter.headers.get(name.as_bytes()).expect("a header").to_vec();
    assert_eq!(header("dead.consumer"), b"bills");
    assert_eq!(header("dead.offset"), b"1");
    assert_eq!(header("dead.attempts"), b"2");
    assert_eq!(header("dead.reason"), b"no money");
    Ok(())
}

fn buries_a_message_once_though_it_runs_again(source: &Source) -> Result<()> {
    source.publish("aaa");
    let dead = Arc::new(MemoryLog::new());
    for _ in 0..3 {
        let consumer = consumer(source).attempts_max(1).dead_letter("bills", &dead);
        // It has stored nothing before it was killed.
        let mut notes = Notes::new(&consumer, 3);
        notes.fail = Some(|offset, _| if offset < 2 { Err("no".into()) } else { Ok(()) });
        consumer.run(&mut notes)?;
    }
    assert_eq!(dead.next_offset()?, 2);
    // Another one has its own.
    let consumer = consumer(source).attempts_max(1).dead_letter("mails", &dead);
    let mut notes = Notes::new(&consumer, 3);
    notes.fail = Some(|offset, _| if offset < 2 { Err("no".into()) } else { Ok(()) });
    consumer.run(&mut notes)?;
    assert_eq!(dead.next_offset()?, 4);
    Ok(())
}

fn buries_several_in_a_row_though_the_handler_stores_nothing(source: &Source) -> Result<()> {
    source.publish("aaaaa");
    let dead = Arc::new(MemoryLog::new());
    let consumer = consumer(source).attempts_max(3).dead_letter("bills", &dead);
    let mut forgets = Forgets(Notes::new(&consumer, 999), &[1, 2, 3]);
    let stopper = consumer.stopper();
    let watching = Arc::clone(&dead);
    let stopping = thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while watching.next_offset().expect("open") < 3 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(SOON);
        stopper.stop();
    });
    consumer.run(&mut forgets)?;
    stopping.join().expect("no panic");
    assert_eq!(buried(&dead), ["1", "2", "3"]);
    for offset in [1, 2, 3] {
        let attempts = forgets.0.offsets().iter().filter(|at| **at == offset).count();
        assert_eq!(attempts, 3, "{:?}", forgets.0.offsets());
    }
    assert_eq!(forgets.0.offsets().last(), Some(&4));
    Ok(())
}

fn buries_what_it_goes_back_to_rather_than_dropping_it(source: &Source) -> Result<()> {
    source.publish(&"a".repeat(100));
    let dead = Arc::new(MemoryLog::new());
    for (begin, calls) in [(90, 2), (0, 7)] {
        let consumer = consumer(source).attempts_max(1).dead_letter("bills", &dead);
        let mut notes = Notes::new(&consumer, calls);
        notes.next_offset = begin;
        notes.fail = Some(|offset, _| {
            if [5, 90].contains(&offset) {
                Err("no".into())
            } else {
                Ok(())
            }
        });
        consumer.run(&mut notes)?;
    }
    assert_eq!(buried(&dead), ["90", "5"]);
    Ok(())
}

fn buries_what_fails_behind_messages_that_are_handled_again(_source: &Source) -> Result<()> {
    let (_dir, cursors, log) = with_cursors(6);
    let dead = Arc::new(MemoryLog::new());
    let consumer = Consumer::new(&log)
        .backoff(fast())
        .attempts_max(3)
        .dead_letter("bills", &dead);
    let stopper = consumer.stopper();
    let mut seen = Vec::new();
    let mut handler = cursors
        .handler("a", "s", 0, |message| {
            seen.push(message.offset);
            match message.offset {
                2 => return Err("never".into()),
                5 => stopper.stop(),
                _ => {}
            }
            Ok(())
        })
        .every(4);
    consumer.run(&mut handler)?;
    drop(handler);
    assert_eq!(seen, [0, 1, 2, 2, 2, 3, 4, 5]);
    assert_eq!(buried(&dead), ["2"]);
    Ok(())
}
