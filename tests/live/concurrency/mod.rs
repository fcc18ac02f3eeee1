//! Many threads on one log: publishers, readers of every kind, and somebody who takes files away all the time.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_SECONDS` | how long each arrangement runs; default 1 |
//! | `DURAMEN_CLOSES` | how many times a log is closed under its users; default 60 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::Random;
use duramen::{Durability, Error, FileLog, Log, Message, NewMessage, Options, Start, Timestamp};

const PUBLISHERS: u64 = 4;
const KEYS: u64 = 5;
const OFFSETS_MAX: usize = 1 << 20;

/// What all threads together know of the log.
struct Truth {
    /// At each offset 1 + the number of the message that somebody saw there, or 0.
    numbers: Vec<AtomicU64>,
    /// For each key of each publisher, the offset of the last message acknowledged.
    newest: Vec<AtomicU64>,
    /// Publishers stop; then readers do.
    stop: AtomicBool,
    is_complete: AtomicBool,
    seed: u64,
}

/// A message's number tells its publisher and how many that one published before.
fn number(publisher: u64, sequence: u64) -> u64 {
    publisher << 48 | sequence
}

fn key_of(number: u64) -> u64 {
    (number >> 48) * KEYS + number % KEYS
}

fn value_of(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let len = random.below(60);
    number
        .to_le_bytes()
        .into_iter()
        .chain((0..len).map(|_| random.next().to_le_bytes()[0]))
        .collect()
}

fn time_of(number: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(number & ((1 << 48) - 1)).expect("48 bits") * 1000)
}

impl Truth {
    fn new(seed: u64) -> Truth {
        let zeros = |len| std::iter::repeat_with(AtomicU64::default).take(len).collect();
        Truth {
            numbers: zeros(OFFSETS_MAX),
            newest: zeros(usize::try_from(PUBLISHERS * KEYS).expect("small")),
            stop: AtomicBool::new(false),
            is_complete: AtomicBool::new(false),
            seed,
        }
    }

    fn is_over(&self, offset: u64) -> bool {
        self.stop.load(Ordering::Relaxed) || offset + 1000 > OFFSETS_MAX as u64
    }

    fn newest(&self, key: u64) -> &AtomicU64 {
        &self.newest[usize::try_from(key).expect("small")]
    }

    /// Notes what is at an offset: the same for everybody, always.
    fn note(&self, offset: u64, number: u64) {
        let slot = &self.numbers[usize::try_from(offset).expect("small")];
        let before = slot.compare_exchange(0, number + 1, Ordering::Relaxed, Ordering::Relaxed);
        assert!(
            before.is_ok() || before == Err(number + 1),
            "offset {offset} has two messages"
        );
    }

    /// Checks that a message is one that a publisher made; returns its number.
    fn recognise(&self, message: &Message) -> u64 {
        let value = message.value.as_deref().expect("a value");
        let number = u64::from_le_bytes(*value.first_chunk().expect("a number"));
        assert_eq!(value, value_of(number), "offset {}", message.offset);
        assert_eq!(message.key.as_deref(), Some(&key_of(number).to_le_bytes()[..]));
        assert_eq!(message.time, time_of(number));
        self.note(message.offset, number);
        number
    }
}

/// Publishes one and many at a time until it is over, or the log is closed.
fn publish(log: &FileLog, truth: &Truth, publisher: u64) -> u64 {
    let mut random = Random::new(truth.seed ^ publisher);
    let mut sequence = 0;
    loop {
        let count = if random.one_in(3) { 1 + random.below(6) } else { 1 };
        let numbers: Vec<u64> = (sequence..sequence + count)
            .map(|n| number(publisher, n))
            .collect();
        let parts: Vec<([u8; 8], Vec<u8>)> = numbers
            .iter()
            .map(|n| (key_of(*n).to_le_bytes(), value_of(*n)))
            .collect();
        let messages: Vec<NewMessage<'_>> = parts
            .iter()
            .zip(&numbers)
            .map(|((key, value), n)| NewMessage::new(key, value).time(time_of(*n)))
            .collect();
        let next_offset = match log.publish(&messages) {
            Ok(next_offset) => next_offset,
            Err(Error::Closed) => return sequence,
            Err(error) => panic!("publish: {error:?}"),
        };
        for (offset, number) in (next_offset - count..).zip(&numbers) {
            truth.note(offset, *number);
            truth.newest(key_of(*number)).store(offset, Ordering::Relaxed);
        }
        sequence += count;
        if truth.is_over(next_offset) {
            return sequence;
        }
    }
}

/// The answer, or `None` when the log is closed or, before the first message, there is none.
fn answer<T>(answer: duramen::Result<T>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(Error::Closed | Error::NotFound) => None,
        Err(error) => panic!("reading: {error:?}"),
    }
}

fn is_closed(log: &FileLog) -> bool {
    matches!(log.next_offset(), Err(Error::Closed))
}

/// Follows the log from its start: offsets are dense and each publisher's messages in order.
fn follow(log: &FileLog, truth: &Truth, visible_is_durable: bool) -> u64 {
    let mut next = 0;
    let mut expected = vec![0; usize::try_from(PUBLISHERS).expect("a few")];
    loop {
        let ends = truth.is_complete.load(Ordering::Acquire);
        let Some(batch) = answer(log.consume(Start::At(next), 64)) else {
            return next;
        };
        if let Some(synced) = visible_is_durable.then(|| answer(log.synced_offset())).flatten() {
            assert!(
                batch.next_offset <= synced,
                "{} is visible, {synced} durable",
                batch.next_offset
            );
        }
        for message in &batch {
            assert_eq!(message.offset, next);
            let number = truth.recognise(message);
            let sequence = &mut expected[usize::try_from(number >> 48).expect("small")];
            assert_eq!(number & ((1 << 48) - 1), *sequence, "offset {next}: out of order");
            *sequence += 1;
            next += 1;
        }
        assert_eq!(batch.next_offset, next);
        if batch.messages.is_empty() && ends {
            return next;
        }
    }
}

/// Reads at random by offset, by key and by time.
fn look_up(log: &FileLog, truth: &Truth, reader: u64) {
    let mut random = Random::new(truth.seed ^ reader << 8);
    while !truth.is_over(0) && !is_closed(log) {
        let Some(next) = answer(log.next_offset()) else {
            return;
        };
        if let Some(offset) = next.checked_sub(1).map(|last| random.below(last + 1)) {
            if let Some(message) = answer(log.get(Start::At(offset))) {
                assert_eq!(message.offset, offset);
                truth.recognise(&message);
            } else {
                assert!(is_closed(log), "offset {offset} of {next} is not there");
            }
        }
        let key = random.below(PUBLISHERS * KEYS);
        let newest = truth.newest(key).load(Ordering::Relaxed);
        match answer(log.get_by_key(&key.to_le_bytes())) {
            Some(message) => {
                assert_eq!(key_of(truth.recognise(&message)), key);
                assert!(
                    message.offset >= newest,
                    "key {key}: {} is older than {newest}",
                    message.offset
                );
            }
            None => assert!(
                newest == 0 || is_closed(log),
                "key {key} is not found, but was at {newest}"
            ),
        }
        let from = Start::Last(1 + random.below(200));
        let mut before = 0;
        for message in answer(log.consume_by_key(&key.to_le_bytes(), from, 5))
            .into_iter()
            .flatten()
        {
            assert_eq!(key_of(truth.recognise(&message)), key);
            assert!(message.offset >= before);
            before = message.offset + 1;
        }
        let time = time_of(random.below(next + 1));
        if let Some(message) = answer(log.get_by_time(time)) {
            truth.recognise(&message);
            assert!(message.time >= time);
        }
    }
}

/// Scans from anywhere to the end, again and again.
fn scan(log: &FileLog, truth: &Truth) {
    let mut random = Random::new(truth.seed ^ 0x4d);
    while !truth.is_over(0) && !is_closed(log) {
        let from = Start::Last(random.below(5000));
        let Some(mut scan) = answer(log.scan(from)) else {
            continue;
        };
        let mut next = scan.next_offset();
        loop {
            let message = match scan.next() {
                Ok(Some(message)) => message,
                Ok(None) | Err(Error::Closed) => break,
                Err(error) => panic!("scan: {error:?}"),
            };
            assert_eq!(message.offset, next);
            let value = message.value.expect("a value");
            let number = u64::from_le_bytes(*value.first_chunk().expect("a number"));
            assert!(
                value == value_of(number) && message.time == time_of(number),
                "offset {next}"
            );
            truth.note(next, number);
            next += 1;
        }
    }
}

/// Takes files away from readers, and asks what there is.
fn collect(log: &FileLog, truth: &Truth) {
    while !truth.is_over(0) && answer(log.gc(Duration::ZERO)).is_some() {
        if let Some(stats) = answer(log.stat()) {
            assert!(
                stats.synced_offset <= stats.next_offset && stats.messages == stats.next_offset,
                "{stats:?}"
            );
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Runs all kinds of users on the log until `end` returns; returns how many messages were published.
fn run(log: &FileLog, truth: &Truth, visible_is_durable: bool, end: impl FnOnce()) -> u64 {
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|p| scope.spawn(move || publish(log, truth, p)))
            .collect();
        let follower = scope.spawn(move || follow(log, truth, visible_is_durable));
        for reader in 1..3 {
            scope.spawn(move || look_up(log, truth, reader));
        }
        scope.spawn(|| scan(log, truth));
        scope.spawn(|| collect(log, truth));
        end();
        truth.stop.store(true, Ordering::Relaxed);
        let published = publishers
            .into_iter()
            .map(|p| p.join().expect("a publisher"))
            .sum();
        truth.is_complete.store(true, Ordering::Release);
        let seen_following = follower.join().expect("a reader");
        assert!(
            seen_following == published || is_closed(log) && seen_following <= published,
            "{seen_following} of {published}"
        );
        published
    })
}

fn options(durability: Durability) -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .durability(durability)
}

/// Reads everything back after a reopen.
fn read_back(log: &FileLog, truth: &Truth, published: u64) {
    truth.is_complete.store(true, Ordering::Release);
    assert_eq!(follow(log, truth, false), published);
}

/// Goal: readers of every kind see exactly what publishers put in, in order, while segments come and go under them.
/// Method: four publishers, four readers, tiny segments, hardly any of which may stay mapped, all let go of in a loop.
#[test]
fn everybody_sees_the_same_log() {
    let seed = common::seed("concurrency");
    let time = Duration::from_secs(common::number("DURAMEN_SECONDS", 1));
    for (durability, background, mapped_max, rollover) in [
        (Durability::Os, true, 1, 2 << 10),
        (Durability::Os, false, 3, 4 << 10),
        (Durability::EachPublish, true, 2, 1 << 10),
        (Durability::EachPublish, false, 1, 8 << 10),
        (Durability::Bytes(2000), true, 1, 4 << 10),
        (Durability::Interval(Duration::from_millis(3)), true, 2, 1 << 20),
    ] {
        let dir = common::fast_dir();
        let truth = Truth::new(seed);
        let options = options(durability)
            .background(background)
            .segments_mapped_max(mapped_max)
            .rollover(rollover);
        let log = options.open(dir.path()).expect("a new log");
        let begun = Instant::now();
        let is_durable = durability == Durability::EachPublish;
        let published = run(&log, &truth, is_durable, || thread::sleep(time));
        let stats = log.stat().expect("stat");
        println!(
            "{durability:?}: {published} messages, {} segments, {:?}",
            stats.segments,
            begun.elapsed()
        );
        log.close().expect("a close");
        read_back(&options.open(dir.path()).expect("a reopen"), &truth, published);
    }
}

/// Goal: where messages are visible only when they are durable, all that is visible counts as synced, whoever asks.
/// Method: one thread publishes, in tiny segments, and another asks in both ways.
#[test]
fn what_is_visible_only_when_durable_counts_as_synced() {
    let dir = common::fast_dir();
    let options = options(Durability::EachPublish).rollover(1 << 10);
    let log = options.open(dir.path()).expect("a new log");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                log.publish(&[NewMessage::value(&[7; 400])]).expect("a publish");
            }
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            let before = log.next_offset().expect("an offset");
            assert!(log.synced_offset().expect("an offset") >= before);
            // With little to do in between.
            log.trim(before).expect("a trim");
            let stats = log.stat().expect("stat");
            assert_eq!(stats.synced_offset, stats.next_offset);
        }
    });
}

/// Goal: a handle that only reads counts as synced what it has seen to be, whatever durability it was opened with.
/// Method: the files of a log that has not synced yet, opened elsewhere.
#[test]
fn a_reader_counts_as_synced_what_it_knows_to_be() {
    let (dir, copy) = (common::fast_dir(), common::fast_dir());
    let log = options(Durability::Os)
        .background(false)
        .open(dir.path())
        .expect("a new log");
    for (offset, synced) in [(0, 0), (1, 2), (2, 2), (3, 4)] {
        assert_eq!(
            log.publish(&[NewMessage::value(b"v")]).expect("a publish"),
            offset + 1
        );
        if offset + 1 == synced {
            assert_eq!(log.sync().expect("a sync"), synced);
        }
        common::write_files(copy.path(), &common::files_of(dir.path()));
        let reader = options(Durability::EachPublish).read_only(true);
        for log in [&log, &reader.open(copy.path()).expect("an open")] {
            let stats = log.stat().expect("stat");
            assert_eq!((stats.next_offset, stats.synced_offset), (offset + 1, synced));
            assert_eq!(log.synced_offset().expect("an offset"), synced);
        }
    }
}

/// Goal: whoever uses a log while it is closed is told so and nothing else, and what was acknowledged stays. Method:
/// closes under publishers and readers at random moments, on one directory.
#[test]
fn closing_under_use_gives_closed_and_nothing_else() {
    let seed = common::seed("closing");
    let mut random = Random::new(seed);
    for background in [true, false] {
        for durability in [Durability::Os, Durability::EachPublish] {
            let options = options(durability)
                .background(background)
                .segments_mapped_max(1)
                .rollover(4 << 10);
            for round in 0..common::number("DURAMEN_CLOSES", 60) / 4 {
                let dir = common::fast_dir();
                let truth = Truth::new(seed ^ round);
                let log = options.open(dir.path()).expect("a log");
                let wait = Duration::from_micros(random.below(15_000));
                let published = run(&log, &truth, false, || {
                    thread::sleep(wait);
                    log.close().expect("a close");
                });
                assert!(matches!(log.stat(), Err(Error::Closed)) && log.close().is_ok());
                drop(log);
                read_back(&options.open(dir.path()).expect("a reopen"), &truth, published);
            }
        }
    }
}

/// Goal: the types can be used as the documentation says. Method: they compile.
#[test]
fn types_cross_threads_and_the_error_is_small() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Error>();
    crosses::<FileLog>();
    crosses::<Box<dyn Log>>();
    crosses::<Message>();
    crosses::<Options>();
    const { assert!(size_of::<Error>() <= 64) };
    let dir = common::fast_dir();
    let boxed: Box<dyn Log> = Box::new(options(Durability::Os).open(dir.path()).expect("a log"));
    let shared: std::sync::Arc<dyn Log> = std::sync::Arc::from(boxed);
    assert_eq!(shared.publish(&[NewMessage::value(b"v")]).expect("a publish"), 1);
    assert_eq!(
        thread::spawn(move || shared.next_offset().expect("an offset"))
            .join()
            .ok(),
        Some(1)
    );
}
