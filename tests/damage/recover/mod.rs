//! `recover` on logs with damage: it says exactly what is damaged, loses nothing else, and the second time does
//! nothing.
//!
//! `DURAMEN_RECOVER_FLIPS` is how many bits are flipped, one at a time, in each kind of log.

mod flips;
mod killed;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use duramen::{
    Corruption, Error, Log, NewMessage, Options, RecoverOptions, RecoverReport, Start, check, recover_with,
    stat,
};
use fastrand::Rng;

use crate::common::{Item, fast_dir, files_of, read_all, seed, segment_paths, with_messages};

const MESSAGES: u64 = 200;

fn options() -> Options {
    Options::new().rollover(4096).key_index(true).time_index(true)
}

/// A closed log of several segments, in batches of one to five, with what is in it.
fn sound_log(random: &mut Rng, dir: &Path, with_gaps: bool) -> Vec<Option<Item>> {
    let log = options().create_dirs(true).open(dir).expect("a new log");
    let mut model = Vec::new();
    while (model.len() as u64) < MESSAGES {
        let batch: Vec<Item> = (0..=random.u64(..4)).map(|_| Item::any(random, 7, 120)).collect();
        with_messages(&batch, |messages| log.publish(messages)).expect("published");
        model.extend(batch.into_iter().map(Some));
    }
    if with_gaps {
        let gone: BTreeSet<u64> = (0..MESSAGES).filter(|_| random.u8(..3) == 0).collect();
        log.delete(&gone).expect("deleted");
        for offset in gone {
            model[usize::try_from(offset).expect("small")] = None;
        }
    }
    log.close().expect("closed");
    model
}

/// That the log holds what `model` says, but for the offsets in `lost`, and goes on above `next_min`.
fn assert_holds(dir: &Path, model: &[Option<Item>], lost: &BTreeSet<u64>, next_min: u64, what: &str) {
    let report = check(dir, &options()).expect("checked");
    assert!(report.is_clean(), "{what}: {:?}", report.problems);
    let log = options().open(dir).expect(what);
    let found = read_all(&log).expect(what);
    let expected: Vec<(u64, &Item)> = (0..)
        .zip(model)
        .filter_map(|(offset, item)| Some((offset, item.as_ref()?)))
        .filter(|(offset, _)| !lost.contains(offset))
        .collect();
    let offsets: Vec<u64> = found.iter().map(|message| message.offset).collect();
    let wanted: Vec<u64> = expected.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, wanted, "{what}");
    for ((offset, item), message) in expected.iter().zip(&found) {
        assert!(item.is(*offset, message), "{what}: offset {offset}");
    }
    let next = log.publish(&[NewMessage::value(b"more")]).expect(what) - 1;
    assert!(next >= next_min, "{what}: offset {next} was given out before");
    log.close().expect(what);
}

/// Recovers a log, and asserts that a dry run changed nothing and said what would come of it.
fn as_planned(dir: &Path, options: &Options, how: RecoverOptions, what: &str) -> RecoverReport {
    let files = files_of(dir);
    let mut planned = recover_with(dir, options, &how.dry_run(true)).expect(what);
    assert_eq!(files_of(dir), files, "{what}: a dry run changes nothing");
    let report = recover_with(dir, options, &how).expect(what);
    planned.quarantined.clone_from(&report.quarantined);
    assert!(planned.indexes_rebuilt <= report.indexes_rebuilt, "{what}");
    planned.indexes_rebuilt = report.indexes_rebuilt;
    assert_eq!(report, planned, "{what}");
    report
}

fn lost_of(report: &RecoverReport) -> BTreeSet<u64> {
    let ranges = report.dropped.iter();
    ranges
        .flat_map(|dropped| dropped.first_offset.expect("known")..dropped.end_offset.expect("known"))
        .collect()
}

/// A segment whose header is gone, or that is gone as a whole, is cut off with all behind it, or left out.
#[test]
fn a_segment_that_cannot_be_read_is_left_out() {
    let mut random = Rng::with_seed(seed("recover"));
    for (is_missing, which) in [
        (false, 2),
        (true, 2),
        (false, 0),
        (true, 0),
        (false, 100),
        (true, 100),
    ] {
        for salvage in [false, true] {
            let dir = fast_dir();
            let model = sound_log(&mut random, &dir.path().join("log"), false);
            let dir = dir.path().join("log");
            let paths = segment_paths(&dir);
            let which = paths.len().min(which + 1) - 1;
            let base = |index: usize| {
                let name = paths[index]
                    .file_stem()
                    .expect("a name")
                    .to_str()
                    .expect("a plain name");
                name.parse::<u64>().expect("an offset")
            };
            let end = if which + 1 < paths.len() {
                base(which + 1)
            } else {
                model.len() as u64
            };
            if is_missing {
                fs::remove_file(&paths[which]).expect("removed");
            } else {
                let mut bytes = fs::read(&paths[which]).expect("a segment");
                bytes[20] ^= 1;
                fs::write(&paths[which], bytes).expect("a segment");
            }
            let what = format!("segment {which} missing {is_missing} salvage {salvage}");
            let how = RecoverOptions::new().salvage(salvage);
            let report = as_planned(&dir, &options(), how, &what);
            assert!(report.changed, "{what}");
            let front = is_missing && which == 0;
            let lost: BTreeSet<u64> = if salvage || front {
                (base(which)..end).collect()
            } else {
                (base(which)..model.len() as u64).collect()
            };
            assert_eq!(lost_of(&report), lost, "{what}: {:?}", report.dropped);
            assert!(
                !recover_with(&dir, &options(), &how).expect(&what).changed,
                "{what}"
            );
            assert_holds(&dir, &model, &lost, model.len() as u64, &what);
        }
    }
}

/// Opening cuts at a record: where the front is gone there is none, and nothing may look as if it had been trimmed.
#[test]
fn a_missing_front_is_settled_by_recover_and_not_by_opening() {
    let mut random = Rng::with_seed(seed("recover"));
    let scratch = fast_dir();
    for is_closed in [true, false] {
        let dir = scratch.path().join(if is_closed { "closed" } else { "killed" });
        let model = sound_log(&mut random, &dir, false);
        if !is_closed {
            // Damage to one copy: whoever opens the log does not know that it was closed.
            fs::write(dir.join("meta.0"), b"nonsense").expect("written");
        }
        let paths = segment_paths(&dir);
        let first_kept: u64 = paths[1]
            .file_stem()
            .and_then(|name| name.to_str()?.parse().ok())
            .expect("an offset");
        fs::remove_file(&paths[0]).expect("removed");
        let damaged = files_of(&dir);
        for options in [options().recover(true), options(), options().read_only(true)] {
            let opened = options.open(&dir);
            assert!(
                matches!(
                    &opened,
                    Err(Error::Corrupt {
                        kind: Corruption::Missing,
                        ..
                    })
                ),
                "{opened:?}"
            );
            assert_eq!(files_of(&dir), damaged);
        }
        let report = as_planned(&dir, &options(), RecoverOptions::new(), "recovered");
        assert_eq!(report.epoch, 1, "{report:?}");
        let log = options().open(&dir).expect("a plain open");
        assert_eq!(log.start_offset().expect("open"), first_kept);
        let trimmed = log.consume(Start::At(0), 1).expect_err("lost");
        assert!(trimmed.is_trimmed(), "{trimmed}");
        log.close().expect("closed");
        let lost = (0..first_kept).collect();
        assert_holds(&dir, &model, &lost, model.len() as u64, "front");
    }
}

/// Without a readable copy of the metadata the log is put together from what its segments say.
#[test]
fn lost_metadata_is_made_anew() {
    let mut random = Rng::with_seed(seed("recover"));
    let dir = fast_dir();
    let dir = dir.path().join("log");
    let model = sound_log(&mut random, &dir, false);
    for name in ["meta.0", "meta.1"] {
        fs::write(dir.join(name), b"nonsense").expect("written");
    }
    assert!(options().open(&dir).is_err());
    let report = as_planned(&dir, &options(), RecoverOptions::new(), "recovered");
    assert!(
        report.changed && report.metadata_rebuilt && report.dropped.is_empty() && report.epoch > 0,
        "{report:?}"
    );
    assert_holds(
        &dir,
        &model,
        &BTreeSet::new(),
        model.len() as u64,
        "lost metadata",
    );
}

/// A damaged index costs nothing.
#[test]
fn a_damaged_index_is_built_anew() {
    let mut random = Rng::with_seed(seed("recover"));
    let dir = fast_dir();
    let dir = dir.path().join("log");
    let model = sound_log(&mut random, &dir, true);
    let index = segment_paths(&dir)
        .iter()
        .map(|path| path.with_extension("idx"))
        .find(|path| path.exists());
    let index = index.expect("an index");
    let mut bytes = fs::read(&index).expect("an index");
    bytes[200] ^= 8;
    fs::write(&index, bytes).expect("an index");
    let problems = check(&dir, &options()).expect("checked").problems;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].kind, Corruption::Index);
    let planned = recover_with(&dir, &options(), &RecoverOptions::new().dry_run(true)).expect("a plan");
    assert_eq!(planned.indexes_rebuilt, 1);
    let report = as_planned(&dir, &options(), RecoverOptions::new(), "recovered");
    assert!(
        report.changed && report.dropped.is_empty() && report.epoch == 0,
        "{report:?}"
    );
    assert!(report.indexes_rebuilt > 0);
    assert_holds(
        &dir,
        &model,
        &BTreeSet::new(),
        model.len() as u64,
        "damaged index",
    );
}

/// A log in order is not touched.
#[test]
fn a_log_in_order_stays_as_it_is() {
    let mut random = Rng::with_seed(seed("recover"));
    let dir = fast_dir();
    let dir = dir.path().join("log");
    sound_log(&mut random, &dir, true);
    let before = files_of(&dir);
    for salvage in [false, true] {
        let how = RecoverOptions::new().salvage(salvage);
        let report = as_planned(&dir, &options(), how, "recovered");
        assert!(!report.changed, "{report:?}");
        assert!(files_of(&dir) == before);
    }
}

/// `stat` tells of the log as it is, not of the options it was called with.
#[test]
fn stat_goes_by_the_log() {
    let home = fast_dir();
    sound_log(
        &mut Rng::with_seed(seed("recover")),
        &home.path().join("log"),
        false,
    );
    let dir = home.path().join("log");
    let before = files_of(&dir);
    for options in [Options::new(), options(), Options::new().recover(true)] {
        let stats = stat(&dir, &options).expect("a log");
        assert!(stats.key_index && stats.time_index, "{stats:?}");
    }
    assert_eq!(files_of(&dir), before);
    assert!(matches!(
        stat(home.path().join("none"), &Options::new()),
        Err(Error::NoLog { .. })
    ));
}

/// What was trimmed is not of the log, also where its segment still holds it.
#[test]
fn trimmed_messages_are_not_counted() {
    let mut random = Rng::with_seed(seed("recover"));
    for damaged in ["", "idx", "log"] {
        let dir = fast_dir();
        let model = sound_log(&mut random, dir.path(), true);
        let log = options().open(dir.path()).expect("a log");
        log.trim(5).expect("trimmed");
        log.close().expect("closed");
        if !damaged.is_empty() {
            let path = segment_paths(dir.path())[0].with_extension(damaged);
            let mut bytes = fs::read(&path).expect("a file");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&path, bytes).expect("a file");
        }
        let report = as_planned(
            dir.path(),
            &options(),
            RecoverOptions::new().salvage(true),
            damaged,
        );
        let there = model.iter().skip(5).flatten().count() as u64;
        assert_eq!(report.messages, there - u64::from(damaged == "log"), "{damaged}");
        assert_eq!(report.changed, !damaged.is_empty(), "{damaged}");
    }
}
