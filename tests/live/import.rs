//! Logs that are written with chosen offsets.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use duramen::{
    Error, Import, Log, LogExt, NewMessage, Options, Retention, Start, Timestamp, backup, check, compact,
    restore, stat,
};
use fastrand::Rng;

use crate::common::{Item, fast_dir, files_of, read_all, seed, segment_paths, with_messages};

fn options() -> Options {
    Options::new().rollover(16 << 10).key_index(true).time_index(true)
}

fn push(import: &mut Import, offset: u64, item: &Item) {
    with_messages(std::slice::from_ref(item), |messages| {
        import.push(offset, &messages[0]).expect("pushed");
    });
}

/// Any messages, with gaps of any size between their offsets.
fn any_messages(random: &mut Rng) -> Vec<(u64, Item)> {
    let mut offset = 0;
    let gap = |random: &mut Rng| match random.u8(..12) {
        0 => random.u64(..1 << 40),
        1 => u64::from(u32::MAX) - random.u64(..3),
        2..4 => random.u64(..100),
        _ => 0,
    };
    (0..random.u64(..600))
        .map(|_| {
            offset += gap(random) + 1;
            (offset - 1, Item::any(random, 20, 200))
        })
        .collect()
}

fn imported(dir: &Path, options: &Options, messages: &[(u64, Item)], next: u64) {
    let mut import = options.import(dir).expect("a new log");
    for (offset, item) in messages {
        push(&mut import, *offset, item);
    }
    let report = import.finish(next).expect("finished");
    assert_eq!(report.messages, messages.len() as u64);
    assert_eq!(
        report.start_offset,
        messages.first().map_or(next, |first| first.0)
    );
    assert_eq!(report.next_offset, next);
    assert_eq!(report.segments, segment_paths(dir).len() as u64);
}

/// Every question to `log` has the answer that `messages` give.
fn holds(log: &dyn Log, messages: &[(u64, Item)], next: u64) {
    assert_eq!(log.next_offset().expect("open"), next);
    let found = read_all(log).expect("read");
    assert!(found.len() == messages.len());
    let latest = messages.iter().map(|(_, item)| item.time);
    for ((offset, item), message) in messages.iter().zip(&found) {
        assert!(item.is(*offset, message), "{offset}: {message:?}");
        assert!(item.is(*offset, &log.get(Start::At(*offset)).expect("got")));
        let newest = messages.iter().rfind(|(_, other)| other.key == item.key);
        if let (Some(key), Some((offset, newest))) = (&item.key, newest) {
            assert!(newest.is(*offset, &log.get_by_key(key).expect("has the key")));
        }
        let first = messages
            .iter()
            .find(|(_, other)| other.time >= item.time)
            .expect("itself");
        let by_time = log
            .get_by_time(Timestamp::from_micros(item.time))
            .expect("has the time");
        assert!(first.1.is(first.0, &by_time));
    }
    if let Some(after) = latest.max() {
        let after = Timestamp::from_micros(after + 1);
        assert!(matches!(log.get_by_time(after), Err(Error::NotFound)));
    }
    for (before, behind) in messages.iter().zip(&messages[1.min(messages.len())..]) {
        if behind.0 > before.0 + 1 {
            assert!(matches!(log.get(Start::At(before.0 + 1)), Err(Error::NotFound)));
            let batch = log.consume(Start::At(before.0 + 1), 1).expect("consumed");
            assert_eq!(batch.messages[0].offset, behind.0);
        }
    }
    let last = messages
        .iter()
        .rev()
        .take(10)
        .next_back()
        .map(|(offset, _)| *offset);
    let batch = log.consume(Start::Last(10), 1).expect("consumed");
    assert_eq!(batch.messages.first().map(|message| message.offset), last);
    if let Some((first, _)) = messages.first().filter(|(first, _)| *first > 0) {
        let below = log.consume(Start::At(first - 1), 1);
        assert!(below.expect_err("trimmed").is_trimmed());
    }
}

/// Goal: a log that was imported answers every question as its messages do, and is in order; so are its copies, and
/// what it goes on with. Method: random messages and gaps.
#[test]
fn an_imported_log_answers_every_question() {
    let seed = seed("import");
    for round in 0..12 {
        let mut random = Rng::with_seed(seed + round);
        let scratch = fast_dir();
        let [dir, copy, restored] = ["log", "copy", "restored"].map(|name| scratch.path().join(name));
        let mut messages = any_messages(&mut random);
        let end = messages.last().map_or(0, |last| last.0 + 1);
        let next = end + random.u64(..2) * random.u64(..1 << 50);
        let options = options().rollover(1 << random.u32(10..16));
        imported(&dir, &options, &messages, next);
        let report = check(&dir, &Options::new()).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(
            stat(&dir, &Options::new()).expect("a log").messages,
            messages.len() as u64
        );
        let reader = Options::new().read_only(true).open(&dir).expect("opened");
        holds(&reader, &messages, next);
        drop(reader);
        backup(&dir, &copy).expect("a backup");
        restore(&copy, &restored, Start::Newest).expect("restored");
        let before = messages.clone();
        let log = options.open(&dir).expect("opened");
        for number in 0..40 {
            let item = Item::any(&mut random, 20, 200);
            let offset = with_messages(std::slice::from_ref(&item), |messages| log.publish(messages));
            assert_eq!(offset.expect("published"), next + number + 1);
            messages.push((next + number, item));
        }
        holds(&log, &messages, next + 40);
        let gone: BTreeSet<u64> = messages
            .iter()
            .map(|(offset, _)| *offset)
            .filter(|_| random.bool())
            .collect();
        log.delete(&gone).expect("deleted");
        log.close().expect("closed");
        assert!(check(&dir, &Options::new()).expect("checked").is_clean());
        for dir in [copy, restored] {
            assert!(check(&dir, &Options::new()).expect("checked").is_clean());
            holds(&Options::new().open(&dir).expect("opened"), &before, next);
        }
    }
}

#[test]
fn an_import_without_messages_is_an_empty_log_with_its_next_offset() {
    for next in [0, 5, 1 << 60] {
        let dir = fast_dir();
        imported(dir.path(), &options(), &[], next);
        assert!(check(dir.path(), &Options::new()).expect("checked").is_clean());
        let log = Options::new().open(dir.path()).expect("opened");
        assert_eq!(
            (
                log.start_offset().expect("open"),
                log.next_offset().expect("open")
            ),
            (next, next)
        );
        assert_eq!(
            log.publish(&[NewMessage::value(b"first")]).expect("published"),
            next + 1
        );
        assert_eq!(
            log.get(Start::At(next)).expect("got").value.as_deref(),
            Some(&b"first"[..])
        );
    }
}

#[test]
fn offsets_that_do_not_go_up_are_refused_and_the_import_goes_on() {
    let dir = fast_dir();
    let mut import = options().import(dir.path()).expect("a new log");
    let message = NewMessage::value(b"value");
    import.push(5, &message).expect("pushed");
    for offset in [0, 4, 5] {
        let refused = import.push(offset, &message);
        assert!(matches!(refused, Err(Error::OffsetMismatch { expected, actual: 6 }) if expected == offset));
    }
    let refused = import.push(u64::MAX, &message);
    assert!(
        matches!(refused, Err(Error::OffsetOutOfRange { .. })),
        "{refused:?}"
    );
    let large = vec![0; 64 << 20];
    let refused = import.push(6, &NewMessage::new(b"k", &large));
    assert!(
        matches!(refused, Err(Error::TooLarge { index: Some(0), .. })),
        "{refused:?}"
    );
    import.push(u64::MAX - 1, &message).expect("pushed");
    assert!(import.finish(u64::MAX).is_ok());
    let log = Options::new().open(dir.path()).expect("opened");
    assert_eq!(read_all(&log).expect("read").len(), 2);
    assert!(log.publish(&[message]).is_err());
}

#[test]
fn an_end_that_is_not_above_the_last_message_leaves_the_import_unfinished() {
    let dir = fast_dir();
    let mut import = options().import(dir.path()).expect("a new log");
    import.push(5, &NewMessage::value(b"value")).expect("pushed");
    assert!(matches!(
        import.finish(5),
        Err(Error::OffsetMismatch {
            expected: 5,
            actual: 6
        })
    ));
    assert!(matches!(
        options().open(dir.path()),
        Err(Error::Unfinished { .. })
    ));
}

#[test]
fn an_unfinished_import_is_no_log_and_the_next_one_begins_afresh() {
    let scratch = fast_dir();
    let [dir, other, target] = ["log", "other", "target"].map(|name| scratch.path().join(name));
    let mut random = Rng::with_seed(1);
    let messages: Vec<(u64, Item)> = (0..500)
        .map(|offset| (offset, Item::any(&mut random, 9, 200)))
        .collect();
    let mut import = options().import(&dir).expect("a new log");
    for (offset, item) in &messages {
        push(&mut import, *offset, item);
    }
    assert!(matches!(options().import(&dir), Err(Error::Locked { .. })));
    drop(import);
    assert!(segment_paths(&dir).len() > 1);
    assert!(matches!(options().open(&dir), Err(Error::Unfinished { .. })));
    assert!(matches!(backup(&dir, &target), Err(Error::Unfinished { .. })));
    // A backup does not finish it. A restore takes its place, as an import takes that of a restore.
    imported(&other, &options(), &messages, 500);
    assert!(matches!(backup(&other, &dir), Err(Error::Unfinished { .. })));
    imported(&dir, &options(), &messages[7..9], 10);
    holds(&Options::new().open(&dir).expect("opened"), &messages[7..9], 10);
    drop(options().import(&target).expect("begun"));
    restore(&other, &target, Start::At(90)).expect("restored");
    holds(
        &Options::new().open(&target).expect("opened"),
        &messages[..90],
        90,
    );
}

#[test]
fn a_directory_with_a_log_or_parts_of_one_is_refused_and_stays_as_it_is() {
    let scratch = fast_dir();
    let [dir, copy, parts] = ["log", "copy", "parts"].map(|name| scratch.path().join(name));
    imported(&dir, &options(), &[], 3);
    std::fs::write(dir.join("mine"), b"mine").expect("written");
    backup(&dir, &copy).expect("a backup");
    std::fs::create_dir(&parts).expect("created");
    std::fs::write(parts.join("00000000000000000000.log"), b"").expect("written");
    for dir in [&dir, &copy, &parts] {
        let before = files_of(dir);
        assert!(matches!(options().import(dir), Err(Error::Invalid(_))));
        let locks = |(name, _): &(String, Vec<u8>)| name != "LOCK";
        assert!(
            files_of(dir)
                .into_iter()
                .filter(locks)
                .eq(before.into_iter().filter(locks))
        );
    }
}

/// Goal: an import that begins afresh removes nothing that another program has written meanwhile. Method: a segment of
/// klevdb, of either format, and what an import leaves itself.
#[test]
fn a_segment_of_another_program_in_an_unfinished_directory_is_refused_and_stays() {
    let scratch = fast_dir();
    let dir = scratch.path().join("log");
    drop(options().import(&dir).expect("begun"));
    let path = dir.join(format!("{:020}.log", 0));
    let mut first = [0; 40];
    first[10] = 5;
    for bytes in [&first[..], b"\xffklevs\x01\x00", b"mine"] {
        std::fs::write(&path, bytes).expect("written");
        assert!(matches!(options().import(&dir), Err(Error::Invalid(_))));
        assert!(std::fs::read(&path).expect("still there") == bytes);
    }
    for bytes in [&b"DURAMENL"[..], b"DURA", b"", &[0; 4096]] {
        std::fs::write(&path, bytes).expect("written");
        drop(options().import(&dir).expect("begun"));
        assert!(!path.exists());
    }
}

/// Goal: retention by age counts from the import, and by the messages' own times if that is asked for.
#[test]
fn imported_messages_are_as_old_as_their_import() {
    let scratch = fast_dir();
    let dir = scratch.path().join("log");
    let messages: Vec<(u64, Item)> = {
        let mut random = Rng::with_seed(2);
        (0..400)
            .map(|offset| {
                (
                    offset * 2,
                    Item {
                        time: 1,
                        ..Item::any(&mut random, 9, 300)
                    },
                )
            })
            .collect()
    };
    imported(&dir, &options(), &messages, 800);
    let retention = Retention::new().max_age(Duration::from_secs(3600));
    let log = Options::new()
        .background(false)
        .retention(retention)
        .open(&dir)
        .expect("opened");
    log.apply_retention(false).expect("applied");
    assert_eq!(log.start_offset().expect("open"), 0);
    log.close().expect("closed");
    let retention = retention.by_event_time(true);
    let log = Options::new()
        .background(false)
        .retention(retention)
        .open(&dir)
        .expect("opened");
    log.apply_retention(false).expect("applied");
    assert_eq!(log.start_offset().expect("open"), 800);
}

#[test]
fn an_imported_log_is_compacted_and_trimmed() {
    let dir = fast_dir();
    let messages: Vec<(u64, Item)> = {
        let mut random = Rng::with_seed(3);
        (0..300)
            .map(|number| (number << 33, Item::any(&mut random, 9, 100)))
            .collect()
    };
    imported(dir.path(), &options(), &messages, 300 << 33);
    let log = options()
        .retention(Retention::new().max_messages(100))
        .open(dir.path())
        .expect("opened");
    log.apply_retention(false).expect("applied");
    assert_eq!(log.start_offset().expect("open"), 200 << 33);
    let removed = compact::updates(&log, &compact::Settings::default()).expect("compacted");
    assert!(removed.messages > 50);
    log.trim(250 << 33).expect("trimmed");
    let offsets: Vec<u64> = log
        .iter(Start::Oldest)
        .map(|message| message.expect("read").offset)
        .collect();
    assert!(offsets.first().is_some_and(|first| *first >= 250 << 33));
    log.close().expect("closed");
    assert!(check(dir.path(), &Options::new()).expect("checked").is_clean());
}
