#![expect(clippy::unnecessary_wraps, reason = "all cases have one signature")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{
    Backoff, BoxError, Consumer, Cursors, Error, Filter, Handler, Log, MemoryLog, Message, NewMessage,
    OnTrimmed, Options, Permits, Result, Stopper,
};

use super::{AnyLog, Source, over_each_log};

const SOON: Duration = Duration::from_millis(20);

over_each_log! {
    hands_on_what_the_handler_expects
    begins_where_the_handler_says
    asks_the_handler_again_after_an_error
    asks_again_when_the_handler_does_not_know_where
    takes_a_panic_for_an_error
    backs_off_longer_with_each_failure
    begins_to_back_off_anew_after_a_success
    stops_while_it_waits_for_messages
    stops_while_it_backs_off
    stops_while_it_waits_for_a_permit
    stops_before_it_begins
    ends_at_the_end_of_a_sealed_log
    shares_permits_with_others
    fails_where_messages_were_trimmed
    skips_what_was_trimmed_and_tells_so
    skips_what_is_trimmed_while_it_waits
    fails_where_its_cursor_is_of_another_life
    tells_what_the_filter_left_out_at_the_end
    calls_idle_before_it_waits_and_when_it_stops
    goes_on_from_a_stored_cursor
    stores_a_cursor_now_and_then
    goes_on_where_another_has_brought_its_cursor
    one_stopper_stops_all
    ends_when_the_log_is_closed
}

pub(super) fn fast() -> Backoff {
    Backoff::new()
        .first(Duration::from_micros(100))
        .max(Duration::from_millis(1))
}

pub(super) fn consumer(source: &Source) -> Consumer<AnyLog> {
    Consumer::new(&source.log).backoff(fast())
}

pub(super) type Fail = fn(u64, usize) -> Result<(), BoxError>;

/// Notes what it is given, and stops the consumer after so many calls.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) next_offset: u64,
    /// The expected and the actual offset of each message.
    pub(super) calls: Vec<(u64, u64)>,
    pub(super) skipped: Vec<(u64, u64)>,
    pub(super) idle: usize,
    pub(super) asked: usize,
    pub(super) stop_after: usize,
    pub(super) stopper: Stopper,
    /// What goes wrong with an offset at its nth call, counted from 0.
    pub(super) fail: Option<Fail>,
}

impl Notes {
    pub(super) fn new(consumer: &Consumer<AnyLog>, stop_after: usize) -> Notes {
        Notes {
            stop_after,
            stopper: consumer.stopper(),
            ..Notes::default()
        }
    }

    pub(super) fn offsets(&self) -> Vec<u64> {
        self.calls.iter().map(|(_, offset)| *offset).collect()
    }
}

impl Handler for Notes {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.asked += 1;
        Ok(self.next_offset)
    }

    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError> {
        let before = self
            .offsets()
            .iter()
            .filter(|offset| **offset == message.offset)
            .count();
        self.calls.push((expected, message.offset));
        if self.calls.len() == self.stop_after {
            self.stopper.stop();
        }
        if let Some(fail) = self.fail {
            fail(message.offset, before)?;
        }
        self.next_offset = message.offset + 1;
        Ok(())
    }

    fn skipped(&mut self, expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        self.skipped.push((expected, next_offset));
        self.next_offset = next_offset;
        Ok(next_offset)
    }

    fn idle(&mut self) -> Result<(), BoxError> {
        self.idle += 1;
        Ok(())
    }
}

/// Runs the consumer on a thread of its own, and stops it after a while.
fn run_for_a_while(consumer: Consumer<AnyLog>, mut notes: Notes) -> (Result<()>, Notes) {
    let stopper = consumer.stopper();
    let running = thread::spawn(move || (consumer.run(&mut notes), notes));
    thread::sleep(SOON);
    stopper.stop();
    running.join().expect("no panic")
}

fn hands_on_what_the_handler_expects(source: &Source) -> Result<()> {
    source.publish("ababa");
    let consumer = consumer(source).filter(Filter::key(b"a"));
    let mut notes = Notes::new(&consumer, 3);
    consumer.run(&mut notes)?;
    assert_eq!(notes.calls, [(0, 0), (1, 2), (3, 4)]);
    Ok(())
}

fn begins_where_the_handler_says(source: &Source) -> Result<()> {
    source.publish("ababa");
    let consumer = consumer(source).filter(Filter::key(b"b"));
    let mut notes = Notes::new(&consumer, 9);
    notes.next_offset = 2;
    let (ended, notes) = run_for_a_while(consumer, notes);
    ended?;
    assert_eq!(notes.calls, [(2, 3)], "and never 3 again");
    assert_eq!(notes.next_offset, 5);
    Ok(())
}

fn asks_the_handler_again_after_an_error(source: &Source) -> Result<()> {
    source.publish("aaa");
    let consumer = consumer(source);
    let mut notes = Notes::new(&consumer, 5);
    notes.fail = Some(|offset, before| match (offset, before) {
        (1, 0 | 1) => Err("not yet".into()),
        _ => Ok(()),
    });
    consumer.run(&mut notes)?;
    assert_eq!(notes.calls, [(0, 0), (1, 1), (1, 1), (1, 1), (2, 2)]);
    assert_eq!(notes.asked, 3);
    Ok(())
}

/// Does not know where to go on for so many times.
struct Unsure(usize, Notes);

impl Handler for Unsure {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.0 = self
            .0
            .checked_sub(1)
            .ok_or("no more")
            .or_else(|_| self.1.next_offset().map(|_| usize::MAX))?;
        if self.0 == usize::MAX {
            Ok(0)
        } else {
            Err("unsure".into())
        }
    }

    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError> {
        self.1.handle(expected, message)
    }
}

fn asks_again_when_the_handler_does_not_know_where(source: &Source) -> Result<()> {
    source.publish("a");
    let consumer = consumer(source);
    let mut unsure = Unsure(3, Notes::new(&consumer, 1));
    consumer.run(&mut unsure)?;
    assert_eq!(unsure.1.calls, [(0, 0)]);
    Ok(())
}

fn takes_a_panic_for_an_error(source: &Source) -> Result<()> {
    source.publish("aa");
    let consumer = consumer(source).attempts_max(3);
    let mut notes = Notes::new(&consumer, 9);
    notes.fail = Some(|offset, before| match (offset, before) {
        (0, 0) => panic!("once"),
        (1, _) => panic!("always {offset}"),
        _ => Ok(()),
    });
    let Err(Error::Handler {
        offset,
        attempts,
        source,
    }) = consumer.run(&mut notes)
    else {
        panic!("no such error");
    };
    assert_eq!((offset, attempts), (Some(1), 3));
    assert_eq!(source.to_string(), "the handler has panicked: always 1");
    assert_eq!(notes.offsets(), [0, 0, 1, 1, 1]);
    Ok(())
}

/// Without that, all seventeen waits together would be up to 17 us. With it, the last bounds are 65, 33 and 16 ms, and
/// that the sum of the random times is below 2 ms is less likely than one in ten thousand.
fn backs_off_longer_with_each_failure(source: &Source) -> Result<()> {
    source.publish("a");
    let backoff = Backoff::new().first(Duration::from_micros(1));
    let consumer = consumer(source).backoff(backoff);
    let mut notes = Notes::new(&consumer, 18);
    notes.fail = Some(|_, _| Err("never".into()));
    let begun = Instant::now();
    consumer.run(&mut notes)?;
    assert_eq!(notes.calls.len(), 18);
    assert!(
        begun.elapsed() > Duration::from_millis(2),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}

fn begins_to_back_off_anew_after_a_success(source: &Source) -> Result<()> {
    source.publish("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let backoff = Backoff::new()
        .first(Duration::from_micros(10))
        .max(Duration::from_secs(3600));
    let consumer = consumer(source).backoff(backoff);
    let mut notes = Notes::new(&consumer, 80);
    notes.fail = Some(|_, before| if before == 0 { Err("once".into()) } else { Ok(()) });
    let begun = Instant::now();
    consumer.run(&mut notes)?;
    // Forty failures in a row would wait for most of an hour.
    assert!(begun.elapsed() < Duration::from_secs(20));
    Ok(())
}

fn stops_while_it_waits_for_messages(source: &Source) -> Result<()> {
    let consumer = consumer(source);
    let notes = Notes::new(&consumer, 9);
    let (ended, notes) = run_for_a_while(consumer, notes);
    ended?;
    assert!(notes.calls.is_empty());
    Ok(())
}

fn stops_while_it_backs_off(source: &Source) -> Result<()> {
    source.publish("a");
    let hour = Duration::from_secs(3600);
    let consumer = consumer(source).backoff(Backoff::new().first(hour).max(hour));
    let mut notes = Notes::new(&consumer, 9);
    notes.fail = Some(|_, _| Err("never".into()));
    let (ended, notes) = run_for_a_while(consumer, notes);
    ended?;
    assert_eq!(notes.calls.len(), 1);
    Ok(())
}

fn stops_while_it_waits_for_a_permit(source: &Source) -> Result<()> {
    source.publish("a");
    let consumer = consumer(source).limit(&Permits::new(0));
    let notes = Notes::new(&consumer, 9);
    let (ended, notes) = run_for_a_while(consumer, notes);
    ended?;
    assert!(notes.calls.is_empty());
    Ok(())
}

fn stops_before_it_begins(source: &Source) -> Result<()> {
    source.publish("a");
    let consumer = consumer(source);
    let mut notes = Notes::new(&consumer, 9);
    consumer.stopper().stop();
    consumer.run(&mut notes)?;
    assert_eq!((notes.calls.len(), notes.asked), (0, 0));
    Ok(())
}

fn ends_at_the_end_of_a_sealed_log(source: &Source) -> Result<()> {
    source.publish("aa");
    let how = duramen::PublishOptions::new().and(duramen::Control::Seal);
    source.log.append(&[], &how)?;
    let consumer = consumer(source);
    let mut notes = Notes::new(&consumer, 9);
    consumer.run(&mut notes)?;
    assert_eq!(notes.offsets(), [0, 1]);
    Ok(())
}

/// Sees to it that it is the only one that is at a message.
struct Busy<'a>(&'a AtomicUsize, Notes);
impl Handler for Busy<'_> {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.1.next_offset()
    }
    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError> {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        thread::sleep(Duration::from_micros(200));
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.handle(expected, message)
    }
}

fn shares_permits_with_others(source: &Source) -> Result<()> {
    source.publish("aaaaa");
    let (permits, busy) = (Permits::new(1), AtomicUsize::new(0));
    thread::scope(|scope| {
        let run = || {
            let consumer = consumer(source).limit(&permits);
            let mut handler = Busy(&busy, Notes::new(&consumer, 5));
            consumer.run(&mut handler).map(|()| handler.1.calls.len())
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no panic").expect("ran"), 5);
        }
    });
    Ok(())
}

fn fails_where_messages_were_trimmed(source: &Source) -> Result<()> {
    source.publish("aaa");
    source.log.trim(2)?;
    let consumer = consumer(source);
    let error = consumer.run(&mut Notes::new(&consumer, 9)).expect_err("trimmed");
    assert!(error.is_trimmed(), "{error}");
    Ok(())
}

fn skips_what_was_trimmed_and_tells_so(source: &Source) -> Result<()> {
    source.publish("aaa");
    source.log.trim(2)?;
    let consumer = consumer(source).on_trimmed(OnTrimmed::Skip);
    let mut notes = Notes::new(&consumer, 1);
    consumer.run(&mut notes)?;
    assert_eq!((notes.skipped, notes.calls), (vec![(0, 2)], vec![(2, 2)]));
    Ok(())
}

/// At the first message, publishes more than is read ahead and trims most of it.
struct Trims<L: Log>(duramen::BlockingLog<L>, Notes);
impl<L: Log> Handler for Trims<L> {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.1.next_offset()
    }
    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError> {
        if message.offset == 0 {
            for _ in 0..1000 {
                self.0.publish(&[NewMessage::value(b"v")])?;
            }
            self.0.trim(1000)?;
        }
        self.1.handle(expected, message)
    }
    fn skipped(&mut self, expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        self.1.skipped(expected, next_offset)
    }
}

fn skips_what_is_trimmed_while_it_waits(source: &Source) -> Result<()> {
    source.publish("aaaa");
    let consumer = consumer(source).on_trimmed(OnTrimmed::Skip);
    let mut notes = Notes::new(&consumer, 2);
    let log = source.log.clone();
    notes.stop_after = 8;
    let mut trims = Trims(log, notes);
    consumer.run(&mut trims)?;
    assert_eq!(trims.1.offsets(), [0, 1, 2, 3, 1000, 1001, 1002, 1003]);
    assert_eq!(trims.1.skipped, [(4, 1000)]);
    Ok(())
}

fn tells_what_the_filter_left_out_at_the_end(source: &Source) -> Result<()> {
    source.publish("abbb");
    let consumer = consumer(source).filter(Filter::key(b"a"));
    let notes = Notes::new(&consumer, 9);
    let (ended, notes) = run_for_a_while(consumer, notes);
    ended?;
    assert_eq!((notes.calls, notes.skipped), (vec![(0, 0)], vec![(1, 4)]));
    Ok(())
}

fn calls_idle_before_it_waits_and_when_it_stops(source: &Source) -> Result<()> {
    source.publish("a");
    let consumer = consumer(source);
    let notes = Notes::new(&consumer, 9);
    let (ended, notes) = run_for_a_while(consumer, notes);
    ended?;
    assert_eq!(notes.idle, 2);
    Ok(())
}

/// Cursors over a log in memory of so many messages.
pub(super) fn with_cursors(
    messages: usize,
) -> (tempfile::TempDir, Cursors, duramen::BlockingLog<Arc<MemoryLog>>) {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Arc::new(MemoryLog::new());
    for _ in 0..messages {
        log.publish(&[NewMessage::value(b"v")]).expect("published");
    }
    let cursors = Cursors::open(dir.path(), &Options::new()).expect("opened");
    (dir, cursors.with_log("s", &log), duramen::BlockingLog::new(log))
}

fn goes_on_from_a_stored_cursor(_source: &Source) -> Result<()> {
    let (_dir, cursors, log) = with_cursors(5);
    let mut seen = Vec::new();
    for stop_at in [2, 4] {
        let consumer = Consumer::new(&log).backoff(fast());
        let stopper = consumer.stopper();
        let mut handler = cursors.handler("a", "s", 0, |message| {
            seen.push(message.offset);
            if message.offset == stop_at {
                stopper.stop();
            }
            Ok(())
        });
        consumer.run(&mut handler)?;
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert_eq!(cursors.lag("a", "s", 0)?, Some(0));
    Ok(())
}

fn stores_a_cursor_now_and_then(_source: &Source) -> Result<()> {
    let (_dir, cursors, log) = with_cursors(10);
    let consumer = Consumer::new(&log).backoff(fast());
    let (stopper, look) = (consumer.stopper(), cursors.clone());
    let mut stored = Vec::new();
    let mut handler = cursors
        .handler("a", "s", 0, |message| {
            let at = look.get("a", "s", 0)?.map(|stored| stored.position.offset);
            stored.push(at);
            if message.offset == 8 {
                stopper.stop();
            }
            Ok(())
        })
        .every(4);
    consumer.run(&mut handler)?;
    drop(handler);
    assert_eq!(stored[..4], [None; 4]);
    assert_eq!(stored[4..8], [Some(4); 4]);
    assert_eq!(stored[8], Some(8));
    assert_eq!(cursors.lag("a", "s", 0)?, Some(1), "stored when it stops");
    Ok(())
}

fn goes_on_where_another_has_brought_its_cursor(_source: &Source) -> Result<()> {
    let (_dir, cursors, log) = with_cursors(6);
    let consumer = Consumer::new(&log).backoff(fast());
    let (stopper, other) = (consumer.stopper(), cursors.clone());
    let mut seen = Vec::new();
    let mut handler = cursors.handler("a", "s", 0, |message| {
        seen.push(message.offset);
        if message.offset == 1 {
            other.set("a", "s", 0, 4, duramen::Expect::Any)?;
        }
        if message.offset == 5 {
            stopper.stop();
        }
        Ok(())
    });
    consumer.run(&mut handler)?;
    drop(handler);
    assert_eq!(seen, [0, 1, 4, 5]);
    Ok(())
}

fn one_stopper_stops_all(source: &Source) -> Result<()> {
    let stopper = Stopper::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            let consumer = consumer(source).stop_with(&stopper);
            scope.spawn(move || consumer.run(&mut Notes::new(&consumer, 9)).expect("stopped"));
        }
        thread::sleep(SOON);
        stopper.stop();
    });
    assert!(stopper.is_stopped());
    Ok(())
}

fn ends_when_the_log_is_closed(source: &Source) -> Result<()> {
    let consumer = consumer(source);
    let running = thread::spawn(move || consumer.run(&mut Notes::new(&consumer, 9)));
    thread::sleep(SOON);
    source.log.close()?;
    assert!(matches!(running.join().expect("no panic"), Err(Error::Closed)));
    Ok(())
}

fn fails_where_its_cursor_is_of_another_life(_source: &Source) -> Result<()> {
    let (dir, cursors, _log) = with_cursors(3);
    cursors.set("a", "s", 0, 2, duramen::Expect::Any)?;
    drop(cursors);
    let other = Arc::new(MemoryLog::new());
    (0..3).try_for_each(|_| other.publish(&[NewMessage::value(b"v")]).map(|_| ()))?;
    let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("s", &other);
    let consumer = Consumer::new(&duramen::BlockingLog::new(other)).backoff(fast());
    let mut handler = cursors.handler("a", "s", 0, |_| Ok(()));
    let ended = consumer.run(&mut handler);
    assert!(matches!(ended, Err(Error::EpochChanged { .. })), "{ended:?}");
    Ok(())
}
