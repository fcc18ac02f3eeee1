//! What one handle does at each point in the middle of what another does, on a simulated disk.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use duramen::fault::SimDisk;
use duramen::{Durability, FileLog, Log, Message, Options, Start, check};
use fastrand::Rng;

use super::histories::{assert_same, change};
use crate::common::{number, read_all, seed};

const DIR: &str = "/log";
const DURABILITIES: [Durability; 2] = [Durability::Os, Durability::EachPublish];

thread_local! {
    /// Whether this thread is in the middle of a call, and not at one of its points.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Does `call`, and `beside` at each of its points.
fn with_points<T>(disk: &SimDisk, beside: impl Fn() + Send + Sync + 'static, call: impl FnOnce() -> T) -> T {
    disk.visit(Some(Arc::new(move || {
        if IS_CALLING.replace(false) {
            beside();
            IS_CALLING.set(true);
        }
    })));
    IS_CALLING.set(true);
    let result = call();
    IS_CALLING.set(false);
    disk.visit(None);
    result
}

fn options(disk: &SimDisk, durability: Durability) -> Options {
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    // Without a background thread, all that happens is one call after the other.
    let options = options.durability(durability).rollover(1 << 10).background(false);
    options.storage(disk)
}

/// What a reader may show at a point of a call: what is both in front of and behind it is there, and nothing is there
/// that is in neither.
#[derive(Debug, Default)]
struct Bounds {
    before: Vec<Message>,
    /// What the reader showed at each point.
    shown: Vec<(Vec<Message>, u64)>,
    /// How many times it was compared with what would survive a power cut.
    cuts: usize,
}

/// Goal: whatever the writer is in the middle of, a reader shows the log as it was before the call, as it is after
/// it, or, while several messages are removed, something in between; with `EachPublish`, only what would survive a
/// power cut. Method: random histories; at each point of each of the writer's calls, one reader that was open before,
/// and one that is opened there, read everything, and every now and then a check is made.
#[test]
fn at_each_point_of_a_call_a_reader_shows_what_is_right() {
    let seed = seed("beside, points of writers");
    let (mut points, mut cuts) = (0, 0);
    for history in 0..number("DURAMEN_BESIDE", 30) {
        let random = &mut Rng::with_seed(seed ^ history);
        let disk = SimDisk::new(seed);
        let durability = DURABILITIES[usize::from(history % 2 == 0)];
        let options = options(&disk, durability);
        drop(options.open(DIR).expect("a new log"));
        let reader = Arc::new(options.clone().read_only(true).open(DIR).expect("a reader"));
        for life in 0..2 {
            let (bounds, point) = (
                Arc::new(Mutex::new(Bounds::default())),
                Arc::new(AtomicUsize::new(0)),
            );
            let beside = {
                let (bounds, point, reader) = (Arc::clone(&bounds), Arc::clone(&point), Arc::clone(&reader));
                let (disk, options) = (disk.clone(), options.clone().read_only(true));
                let is_durable = durability == Durability::EachPublish;
                move || {
                    let at = point.fetch_add(1, Ordering::Relaxed);
                    look(&disk, (&options, is_durable), &reader, at, &bounds);
                }
            };
            let what = format!("history {history}, {options:?}, life {life}");
            let log = with_points(&disk, beside.clone(), || options.open(DIR)).expect("opens");
            judge(&mut bounds.lock().expect("no panic"), &log, &what);
            for step in 0..random.u32(..12) {
                bounds.lock().expect("no panic").before = read_all(&log).expect("reads");
                let did = with_points(&disk, beside.clone(), || change(&log, random));
                let what = format!("{what}, step {step}: {did}");
                judge(&mut bounds.lock().expect("no panic"), &log, &what);
                assert_same(&log, &reader, random, &what);
            }
            bounds.lock().expect("no panic").before = read_all(&log).expect("reads");
            with_points(&disk, beside, || log.close()).expect("closes");
            judge(&mut bounds.lock().expect("no panic"), &reader, &what);
            points += point.load(Ordering::Relaxed);
            cuts += bounds.lock().expect("no panic").cuts;
        }
    }
    println!("{points} points, {cuts} power cuts");
    assert!(points > 1000 && cuts > 100);
}

/// Reads everything at a point.
fn look(
    disk: &SimDisk,
    (options, is_durable): (&Options, bool),
    reader: &FileLog,
    at: usize,
    bounds: &Mutex<Bounds>,
) {
    let fresh = (at.is_multiple_of(3)).then(|| options.open(DIR).expect("a reader is opened"));
    for reader in fresh.iter().chain([reader]) {
        let all = read_all(reader).expect("reads");
        let next = reader.next_offset().expect("open");
        reader.stat().expect("open");
        bounds.lock().expect("no panic").shown.push((all, next));
    }
    if at.is_multiple_of(7) {
        let report = check(DIR, options).expect("a check");
        assert!(report.is_clean(), "point {at}: {report:?}");
    }
    if at.is_multiple_of(5) && is_durable {
        bounds.lock().expect("no panic").cuts += 1;
        let shown = reader.next_offset().expect("open");
        let cut = disk.power_cut();
        let left = options
            .clone()
            .read_only(false)
            .storage(&cut)
            .open(DIR)
            .expect("opens after a power cut");
        let left = left.next_offset().expect("open");
        assert!(
            shown <= left,
            "point {at}: {shown} was shown, and {left} would survive"
        );
    }
}

/// Compares what was shown during a call with what is there after it.
fn judge(bounds: &mut Bounds, after: &FileLog, what: &str) {
    let by_offset = |messages: &[Message]| -> BTreeMap<u64, Message> {
        messages
            .iter()
            .map(|message| (message.offset, message.clone()))
            .collect()
    };
    let (before, after) = (
        by_offset(&bounds.before),
        by_offset(&read_all(after).expect("reads")),
    );
    let mut end = 0;
    for (shown, next) in bounds.shown.drain(..) {
        let shown = by_offset(&shown);
        let known = |(offset, message)| before.get(offset).or(after.get(offset)) == Some(message);
        assert!(shown.iter().all(known), "{what}: something else was shown");
        let is_there = |offset: &u64| shown.contains_key(offset);
        let stays = before.keys().filter(|offset| after.contains_key(*offset));
        assert!(stays.into_iter().all(is_there), "{what}: something was hidden");
        assert!(next >= end, "{what}: the end went back from {end} to {next}");
        end = next;
    }
}

/// Goal: whatever a writer does while a reader reads or looks, each answer is one that was right at a moment of the
/// call. Method: random histories; at random points of each of the reader's calls, the writer does something.
#[test]
fn whatever_happens_at_a_point_of_a_read_its_answer_was_right() {
    let seed = seed("beside, points of readers");
    for history in 0..number("DURAMEN_BESIDE", 30) {
        let random = &mut Rng::with_seed(seed ^ history);
        let disk = SimDisk::new(seed);
        let options = options(&disk, DURABILITIES[usize::from(history % 2 == 0)]);
        let log = Arc::new(options.open(DIR).expect("a new log"));
        let known: Arc<Mutex<BTreeMap<u64, Message>>> = Arc::default();
        let reader = options.clone().read_only(true).open(DIR).expect("a reader");
        for step in 0..30 {
            for _ in 0..random.u32(..6) {
                change(&log, random);
                note(&log, &known);
            }
            // Who reads begins again after each change that is in the way, so there is an end to them.
            let writer = Mutex::new((Rng::with_seed(random.u64(..)), random.u8(1..10)));
            let one_in = random.u8(1..20);
            let beside = {
                let (log, known) = (Arc::clone(&log), Arc::clone(&known));
                move || {
                    let (random, left) = &mut *writer.lock().expect("no panic");
                    if *left > 0 && random.u8(..one_in) == 0 {
                        *left -= 1;
                        change(&log, random);
                        note(&log, &known);
                    }
                }
            };
            let what = format!("history {history}, {options:?}, step {step}");
            let question = random.u8(..6);
            let answer = with_points(&disk, beside, || ask(&reader, &options, question));
            let known = known.lock().expect("no panic");
            for message in answer {
                assert_eq!(
                    known.get(&message.offset),
                    Some(&message),
                    "{what}: question {question}"
                );
            }
            drop(known);
            assert_same(&log, &reader, random, &what);
        }
    }
}

/// Notes all messages that there ever were.
fn note(log: &FileLog, known: &Mutex<BTreeMap<u64, Message>>) {
    let all = read_all(log).expect("reads").into_iter();
    let mut known = known.lock().expect("no panic");
    known.extend(all.map(|message| (message.offset, message)));
}

/// Asks a reader something; returns the messages of the answer, in ascending order.
fn ask(reader: &FileLog, options: &Options, question: u8) -> Vec<Message> {
    let messages = match question {
        0 => reader.consume(Start::Oldest, 1000).map(|batch| batch.messages),
        1 => reader.consume(Start::Last(10), 1000).map(|batch| batch.messages),
        2 => {
            let log = options
                .clone()
                .read_only(true)
                .open(Path::new(DIR))
                .expect("a reader is opened");
            log.consume(Start::Oldest, 1000).map(|batch| batch.messages)
        }
        3 => {
            let report = check(DIR, options).expect("a check");
            assert!(report.is_clean(), "{report:?}");
            Ok(Vec::new())
        }
        4 => reader.stat().map(|_| Vec::new()),
        _ => reader.get(Start::Newest).map(|message| vec![message]),
    };
    let messages = match messages {
        Ok(messages) => messages,
        Err(duramen::Error::NotFound) => Vec::new(),
        Err(error) if error.is_trimmed() => Vec::new(),
        Err(error) => panic!("question {question}: {error}"),
    };
    assert!(
        messages.is_sorted_by_key(|message| message.offset),
        "question {question}"
    );
    messages
}

/// Goal: a log that is closed and opened all the time is in no reader's way: what a look finds of two different lives
/// of the writer is no damage. Method: at random points of each of the reader's calls, the writer closes the log, opens
/// it and publishes.
#[test]
fn a_log_that_is_closed_and_opened_at_points_of_a_read_is_not_damaged() {
    let seed = seed("beside, points of readers, reopened");
    for history in 0..number("DURAMEN_BESIDE", 30) {
        let random = &mut Rng::with_seed(seed ^ history);
        let disk = SimDisk::new(seed);
        let options = options(&disk, DURABILITIES[usize::from(history % 2 == 0)]);
        let log = Arc::new(Mutex::new(Some(options.open(DIR).expect("a new log"))));
        let reader = options.clone().read_only(true).open(DIR).expect("a reader");
        for step in 0..30 {
            let writer = Mutex::new((Rng::with_seed(random.u64(..)), random.u8(1..20)));
            let one_in = random.u8(1..20);
            let beside = {
                let (log, options) = (Arc::clone(&log), options.clone());
                move || {
                    let (random, left) = &mut *writer.lock().expect("no panic");
                    if *left > 0 && random.u8(..one_in) == 0 {
                        *left -= 1;
                        reopen(&mut log.lock().expect("no panic"), &options, random);
                    }
                }
            };
            let what = format!("history {history}, {options:?}, step {step}");
            let question = random.u8(..6);
            with_points(&disk, beside, || ask(&reader, &options, question));
            let mut log = log.lock().expect("no panic");
            let log = log.get_or_insert_with(|| options.open(DIR).expect("no reader is in its way"));
            assert_same(log, &reader, random, &what);
        }
    }
}

/// Closes the log, opens it and publishes; some of that is done at another point.
fn reopen(log: &mut Option<FileLog>, options: &Options, random: &mut Rng) {
    if let Some(open) = log.take() {
        open.close().expect("closes");
        if random.u8(..3) == 0 {
            return;
        }
    }
    let opened = options.open(DIR).expect("no reader is in its way");
    if random.bool() {
        change(&opened, random);
    }
    *log = Some(opened);
}
