use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use duramen::{
    BatchBuf, Control, Durability, FileLog, Log, Options, PublishOptions, Start, Token, check, compact,
};
use fastrand::Rng;

use crate::common::{self, Item, number, read_all, seed, wait_until, with_messages};

/// How the log of one history is kept.
fn options(random: &mut Rng) -> Options {
    let durability = match random.u8(..3) {
        0 => Durability::Os,
        1 => Durability::EachPublish,
        _ => Durability::Interval(Duration::from_millis(5)),
    };
    let indexed = random.bool();
    Options::new()
        .create_dirs(true)
        .key_index(indexed)
        .time_index(indexed)
        .durability(durability)
        .rollover([1 << 10, 4 << 10, 64 << 10][random.usize(..3)])
}

fn reader(options: &Options, dir: &Path) -> FileLog {
    let log = options.clone().read_only(true).open(dir);
    log.expect("a reader beside whoever writes")
}

/// Fails unless both handles show the same log, whatever they are asked.
pub(super) fn assert_same(writer: &FileLog, reader: &FileLog, random: &mut Rng, step: &str) {
    let (start, next) = (
        writer.start_offset().expect("open"),
        writer.next_offset().expect("open"),
    );
    assert_eq!(reader.next_offset().expect("open"), next, "{step}: next offset");
    assert_eq!(
        reader.start_offset().expect("open"),
        start,
        "{step}: start offset"
    );
    let all = read_all(writer).expect("reads");
    assert!(read_all(reader).expect("reads") == all, "{step}: messages");
    let (mut scan, mut scanned) = (reader.scan(Start::Oldest).expect("a scan"), 0);
    while scan.next().expect("scans").is_some() {
        scanned += 1;
    }
    assert_eq!(scanned, all.len(), "{step}: a scan");
    let mut buf = BatchBuf::new();
    reader.consume_into(Start::Oldest, 10, &mut buf).expect("reads");
    let lent = buf.messages().map(|message| message.offset);
    let first = all
        .iter()
        .map(|message| message.offset)
        .take(buf.messages().count());
    assert!(
        lent.eq(first) && buf.is_empty() == all.is_empty(),
        "{step}: lent messages"
    );
    for _ in 0..3 {
        let at = random.u64(start..=next + 1);
        let from = match random.u8(..4) {
            0 => Start::At(at),
            1 => Start::Last(random.u64(..20)),
            2 => Start::Oldest,
            _ => Start::Newest,
        };
        let (ours, theirs) = (writer.get(from), reader.get(from));
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{step}: get {from:?}");
        if let Ok(message) = ours {
            let ours = writer.offset_by_time(message.time).ok();
            assert_eq!(reader.offset_by_time(message.time).ok(), ours, "{step}: a time");
            if let Some(key) = &message.key {
                let ours = writer.get_by_key(key).ok();
                assert_eq!(reader.get_by_key(key).ok(), ours, "{step}: a key");
            }
        }
    }
    assert_same_figures(writer, reader, step);
}

fn assert_same_figures(writer: &FileLog, reader: &FileLog, step: &str) {
    let (ours, theirs) = (writer.stat().expect("open"), reader.stat().expect("open"));
    assert_eq!(
        (ours.messages, ours.epoch, ours.life),
        (theirs.messages, theirs.epoch, theirs.life),
        "{step}"
    );
    assert_eq!(
        (ours.token, ours.is_sealed),
        (theirs.token, theirs.is_sealed),
        "{step}: control"
    );
    assert_eq!(ours.producers, theirs.producers, "{step}: producers");
    // A sync behind the writer marks the end in the file a moment before the writer's figure moves.
    wait_until("as far as the file says", || {
        theirs.synced_offset <= writer.synced_offset().expect("open")
    });
    assert_eq!(
        reader.position().expect("open"),
        writer.position().expect("open"),
        "{step}: position"
    );
}

/// One change to the log, of any kind; says which it was.
pub(super) fn change(log: &FileLog, random: &mut Rng) -> String {
    let next = log.next_offset().expect("open");
    let start = log.start_offset().expect("open");
    match random.u8(..24) {
        0..=13 => {
            let items: Vec<Item> = (0..random.u64(1..8))
                .map(|_| Item::any(random, 20, 200))
                .collect();
            let how = match random.u8(..8) {
                0 => PublishOptions::new().sync(true),
                1 => PublishOptions::new().producer(random.u64(..3), next),
                2 => PublishOptions::new().and(Control::Fence(
                    Token::new(&format!("w{}", next % 7)).expect("short"),
                )),
                _ => PublishOptions::new(),
            };
            with_messages(&items, |messages| log.publish_with(messages, &how)).expect("publishes");
            format!("publish {} {how:?}", items.len())
        }
        14..=16 => {
            let some: BTreeSet<u64> = (0..4).map(|_| random.u64(start..=next)).collect();
            log.delete(&some).expect("deletes");
            format!("delete {some:?}")
        }
        17 => {
            let newest: BTreeSet<u64> = (next.saturating_sub(3)..next).collect();
            log.delete(&newest).expect("deletes");
            format!("delete the newest {newest:?}")
        }
        18 | 19 => {
            let before = random.u64(start..=start + (next - start) / 4);
            log.trim(before).expect("trims");
            format!("trim {before}")
        }
        20 => {
            let before = start + (next - start) / 8;
            let how = PublishOptions::new().and(Control::Trim(before));
            log.publish_with(&[], &how).expect("trims");
            format!("trim by control {before}")
        }
        21 => {
            compact::compact(log, &compact::Settings::default()).ok();
            "compact".into()
        }
        22 => {
            log.sync().expect("syncs");
            "sync".into()
        }
        _ => {
            std::thread::sleep(Duration::from_millis(random.u64(..15)));
            "sleep".into()
        }
    }
}

/// Goal: a reader beside a writer shows after each of the writer's calls exactly what the writer shows. Method: random
/// histories of all that changes a log, with several readers that were opened at different times, some of them for all
/// of the writer's lives; each answer is compared; checks find nothing.
#[test]
fn a_reader_shows_after_each_call_what_the_writer_shows() {
    let seed = seed("beside");
    for history in 0..number("DURAMEN_BESIDE", 30) {
        let random = &mut Rng::with_seed(seed ^ history);
        let home = common::fast_dir();
        let dir = home.path().join("log");
        let options = options(random);
        let mut readers: Vec<FileLog> = Vec::new();
        for life in 0..3 {
            let log = options.open(&dir).expect("no reader is in its way");
            for step in 0..random.u32(..60) {
                let did = change(&log, random);
                let step = format!("history {history}, {options:?}, life {life}, step {step}: {did}");
                if random.u8(..8) == 0 {
                    readers.push(reader(&options, &dir));
                }
                if readers.len() > 4 {
                    readers.swap_remove(random.usize(..4));
                }
                for reader in &readers {
                    assert_same(&log, reader, random, &step);
                }
                if random.u8(..16) == 0 {
                    let report = check(&dir, &options).expect("checks");
                    assert!(report.is_clean(), "{step}: {report:?}");
                }
            }
            if random.bool() {
                log.close().expect("a close");
            }
            let all = read_all(&reader(&options, &dir)).expect("reads");
            drop(log);
            for reader in &readers {
                assert!(
                    read_all(reader).expect("reads") == all,
                    "history {history}: when the writer has gone"
                );
            }
        }
    }
}
