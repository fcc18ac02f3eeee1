//! `recover` on logs with damage: it says exactly what is damaged, loses nothing else, and the second time does
//! nothing.
//!
//! `DURAMEN_RECOVER_FLIPS` is how many bits are flipped, one at a time, in each kind of log.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use duramen::{
    Corruption, Durability, Error, Log, Message, NewMessage, Options, RecoverOptions, RecoverReport, Result,
    Start, check, recover, recover_with, stat,
};

mod common;
use common::{Item, Random, fast_dir, files_of, number, seed, segment_paths, with_messages, write_files};

const MESSAGES: u64 = 200;

fn options() -> Options {
    Options::new().rollover(4096).key_index(true).time_index(true)
}

/// A closed log of several segments, in batches of one to five, with what is in it.
fn sound_log(random: &mut Random, dir: &Path, with_gaps: bool) -> Vec<Option<Item>> {
    let log = options().create_dirs(true).open(dir).expect("a new log");
    let mut model = Vec::new();
    while (model.len() as u64) < MESSAGES {
        let batch: Vec<Item> = (0..=random.below(4)).map(|_| Item::any(random, 7, 120)).collect();
        with_messages(&batch, |messages| log.publish(messages)).expect("published");
        model.extend(batch.into_iter().map(Some));
    }
    if with_gaps {
        let gone: BTreeSet<u64> = (0..MESSAGES).filter(|_| random.one_in(3)).collect();
        log.delete(&gone).expect("deleted");
        for offset in gone {
            model[usize::try_from(offset).expect("small")] = None;
        }
    }
    log.close().expect("closed");
    model
}

fn read_all(log: &dyn Log) -> Result<Vec<Message>> {
    let (mut messages, mut from) = (Vec::new(), Start::Oldest);
    loop {
        let batch = log.consume(from, 64)?;
        if batch.messages.is_empty() {
            return Ok(messages);
        }
        from = Start::At(batch.next_offset);
        messages.extend(batch.messages);
    }
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

/// Goal: what is lost is what was damaged, when salvaging, and what comes behind as well, when not. Method: one bit at
/// a time is flipped in the records of a log, and the log recovered in both ways, each twice, and tried first.
fn flips(with_gaps: bool, without_index: bool) {
    let mut random = Random::new(seed("recover"));
    let sound = fast_dir();
    let model = sound_log(&mut random, &sound.path().join("log"), with_gaps);
    let mut files = files_of(&sound.path().join("log"));
    if without_index {
        files.retain(|(name, _)| !is_kind(name, "idx"));
    }
    let is_filled = |(name, bytes): &(String, Vec<u8>)| is_kind(name, "log") && bytes.len() > 128;
    let logs: Vec<usize> = (0..files.len()).filter(|i| is_filled(&files[*i])).collect();
    let mut hits = 0;
    for round in 0..number("DURAMEN_RECOVER_FLIPS", 40) {
        let file = logs[usize::try_from(random.below(logs.len() as u64)).expect("small")];
        let len = files[file].1.len() as u64;
        let bit = 128 * 8 + random.below((len - 128) * 8);
        let mut damaged = files.clone();
        damaged[file].1[usize::try_from(bit / 8).expect("small")] ^= 1 << (bit % 8);
        let what = format!("round {round}: bit {bit} of {}", files[file].0);
        let mut lost_by = Vec::new();
        for salvage in [false, true] {
            let dir = fast_dir();
            write_files(dir.path(), &damaged);
            let how = RecoverOptions::new().salvage(salvage);
            let report = as_planned(dir.path(), &options(), how, &what);
            assert!(report.changed, "{what}");
            let again = recover_with(dir.path(), &options(), &how).expect(&what);
            assert!(
                !again.changed && again.dropped.is_empty() && again.epoch == report.epoch,
                "{what}"
            );
            let mut lost = lost_of(&report);
            lost.retain(|offset| model[usize::try_from(*offset).expect("small")].is_some());
            assert_holds(dir.path(), &model, &lost, model.len() as u64, &what);
            assert!(lost.is_empty() || report.epoch == 1, "{what}");
            // What was cut off is there to be looked at.
            let kept: u64 = report
                .quarantined
                .iter()
                .map(|path| fs::metadata(path).expect("kept").len())
                .sum();
            let cut: u64 = report.dropped.iter().map(|dropped| dropped.len).sum();
            assert!(kept >= cut, "{what}: {kept} of {cut} bytes kept");
            lost_by.push((lost, report));
        }
        hits += judge(&lost_by, &model, bit, !(with_gaps && without_index), &what);
    }
    println!("  {hits} flips cost a message");
}

fn is_kind(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == ending)
}

/// What is said of one bit without and with salvaging agrees with the model; returns how many messages it cost.
fn judge(
    lost_by: &[(BTreeSet<u64>, RecoverReport)],
    model: &[Option<Item>],
    bit: u64,
    is_known: bool,
    what: &str,
) -> usize {
    let (cut, cut_report) = &lost_by[0];
    let (salvaged, report) = &lost_by[1];
    let damage = &report.dropped[0];
    let at = damage.position..damage.position + damage.len;
    assert!(at.contains(&(bit / 8)), "{what}: said to be in {at:?}");
    let place =
        |dropped: &duramen::Dropped| (dropped.position, dropped.len, dropped.first_offset, dropped.kind);
    assert_eq!(place(damage), place(&cut_report.dropped[0]), "{what}");
    assert!(
        salvaged.len() <= 1,
        "{what}: one bit cost the offsets {salvaged:?}"
    );
    assert_eq!(report.dropped.len(), 1, "{what}");
    if let Some(first) = salvaged.first() {
        assert_eq!(cut.first(), Some(first), "{what}");
        let behind = model
            .iter()
            .skip(usize::try_from(*first).expect("small"))
            .flatten();
        assert_eq!(cut.len(), behind.count(), "{what}");
    } else if is_known {
        // Only an index knows whether the offsets that are missing were missing before.
        assert!(cut.is_empty(), "{what}");
    }
    salvaged.len()
}

#[test]
fn one_bit_costs_one_message_at_most() {
    flips(false, false);
}

#[test]
fn one_bit_costs_one_message_at_most_in_a_log_with_gaps() {
    flips(true, false);
}

#[test]
fn one_bit_costs_one_message_at_most_without_an_index() {
    flips(false, true);
    flips(true, true);
}

/// A segment whose header is gone, or that is gone as a whole, is cut off with all behind it, or left out.
#[test]
fn a_segment_that_cannot_be_read_is_left_out() {
    let mut random = Random::new(seed("recover"));
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
    let mut random = Random::new(seed("recover"));
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
    let mut random = Random::new(seed("recover"));
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
    let mut random = Random::new(seed("recover"));
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
    let mut random = Random::new(seed("recover"));
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

/// A log that was killed says nothing of its end in its metadata: recovering it gives no offset out again, also where
/// no message was lost.
#[test]
fn a_killed_log_goes_on_behind_all_it_had() {
    let scratch = fast_dir();
    let (dir, killed) = (scratch.path().join("log"), scratch.path().join("killed"));
    let log = options()
        .create_dirs(true)
        .durability(Durability::EachPublish)
        .open(&dir)
        .expect("a new log");
    for _ in 0..6 {
        log.publish(&[NewMessage::value(b"one"), NewMessage::value(b"two")])
            .expect("published");
    }
    fs::create_dir(&killed).expect("a directory");
    write_files(&killed, &files_of(&dir));
    let path = segment_paths(&killed)[0].clone();
    let mut bytes = fs::read(&path).expect("a segment");
    // In the header of the second batch: its records stay whole.
    let header = 128 + 20 + 2 * (20 + 3);
    bytes[header + 2] ^= 1;
    fs::write(&path, bytes).expect("a segment");
    assert!(options().open(&killed).is_err());
    let report = as_planned(&killed, &options(), RecoverOptions::new(), "recovered");
    assert!(
        report
            .dropped
            .iter()
            .all(|dropped| dropped.first_offset == dropped.end_offset),
        "{report:?}"
    );
    assert_eq!((report.messages, report.next_offset), (12, 12));
    let log = options().open(&killed).expect("the recovered log");
    assert_eq!(read_all(&log).expect("read").len(), 12);
    assert_eq!(log.publish(&[NewMessage::value(b"more")]).expect("published"), 13);
}

/// The files of an open log in `dir`, with so many messages of one byte in batches of ten, as a kill leaves them.
fn killed_log(options: &Options, dir: &Path, messages: u64) -> Vec<(String, Vec<u8>)> {
    let log = options
        .clone()
        .create_dirs(true)
        .durability(Durability::EachPublish)
        .background(false)
        .open(dir)
        .expect("a log");
    for _ in 0..messages / 10 {
        log.publish(&[NewMessage::value(b"x"); 10]).expect("published");
    }
    files_of(dir)
}

/// A copy of a log in a directory of its own.
fn copy_of(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let dir = fast_dir();
    write_files(dir.path(), files);
    dir
}

/// Goal: no offset of a lost segment is given out again, whatever the rollover size was. Method: a log of large
/// segments, closed, taken up again and killed, loses its only segment, and is opened with a small rollover size.
#[test]
fn offsets_of_a_lost_segment_are_not_given_out_again() {
    let home = fast_dir();
    let options = Options::new();
    killed_log(&options, home.path(), 100);
    let files = killed_log(&options, home.path(), 3000);
    let copy = copy_of(&files);
    fs::remove_file(&segment_paths(copy.path())[0]).expect("removed");
    let options = options.rollover(1 << 10);
    assert!(options.open(copy.path()).is_err());
    let log = options.clone().recover(true).open(copy.path()).expect("cut");
    let next = log.next_offset().expect("open");
    assert!(next >= 3100, "{next} was given out before");
    assert_eq!(log.stat().expect("open").epoch, 1);
    log.publish(&[NewMessage::value(b"more")]).expect("published");
    log.close().expect("closed");
    assert_eq!(
        options
            .open(copy.path())
            .expect("a log")
            .next_offset()
            .expect("open"),
        next + 1
    );
}

/// A segment file that became shorter does not say how many messages were in it.
#[test]
fn offsets_of_a_shortened_segment_are_not_given_out_again() {
    let home = fast_dir();
    let files = killed_log(&Options::new(), home.path(), 3000);
    for shorten in [false, true] {
        let copy = copy_of(&files);
        for name in ["meta.0", "meta.1"] {
            fs::write(copy.path().join(name), b"nonsense").expect("written");
        }
        if shorten {
            let path = &segment_paths(copy.path())[0];
            let bytes = fs::read(path).expect("a segment");
            fs::write(path, &bytes[..500]).expect("a segment");
        }
        let report = as_planned(copy.path(), &Options::new(), RecoverOptions::new(), "recovered");
        assert!(report.next_offset >= 3000 && report.epoch == 1, "{report:?}");
    }
}

/// However many segments cannot be read, it is one more life of the log.
#[test]
fn a_cut_at_open_is_one_epoch() {
    let home = fast_dir();
    let files = killed_log(&Options::new().rollover(1 << 10), home.path(), 1000);
    for epoch in [0, 7, u64::MAX] {
        let copy = copy_of(&files);
        for name in ["meta.0", "meta.1"] {
            set_epoch(&copy.path().join(name), epoch);
        }
        let paths = segment_paths(copy.path());
        for path in &paths[paths.len() - 3..] {
            let mut bytes = fs::read(path).expect("a segment");
            bytes[20] ^= 1;
            fs::write(path, bytes).expect("a segment");
        }
        let planned = RecoverOptions::new().dry_run(true);
        let planned = recover_with(copy.path(), &Options::new(), &planned).expect("a plan");
        assert_eq!(planned.epoch, epoch.saturating_add(1));
        let log = Options::new().recover(true).open(copy.path()).expect("cut");
        assert_eq!(log.stat().expect("open").epoch, epoch.saturating_add(1));
        log.close().expect("closed");
        let again = recover(copy.path(), &Options::new()).expect("in order");
        assert!(
            !again.changed && again.epoch == epoch.saturating_add(1),
            "{again:?}"
        );
    }
}

/// Sets the epoch in a copy of the metadata, with the checksum put right; see docs/format.md.
fn set_epoch(path: &Path, epoch: u64) {
    let mut bytes = fs::read(path).expect("a copy");
    bytes[40..48].copy_from_slice(&epoch.to_le_bytes());
    let sum = crc32c::crc32c(&bytes[..124]);
    bytes[124..].copy_from_slice(&sum.to_le_bytes());
    fs::write(path, bytes).expect("a copy");
}

/// What a crash may leave of the metadata is no damage; the same of a log that was closed is.
#[test]
fn a_copy_of_the_metadata_that_a_crash_may_leave_is_no_problem() {
    let home = fast_dir();
    let created = home.path().join("created");
    let log = options().create_dirs(true).open(&created).expect("a new log");
    let mut files = files_of(&created);
    log.close().expect("closed");
    files.retain(|(name, _)| name != "meta.1");
    let half_created = copy_of(&files);

    let killed = home.path().join("killed");
    let half_written = copy_of(&killed_log(&options(), &killed, 20));
    let newest = newest_copy(half_written.path());
    let other = if newest == "meta.0" { "meta.1" } else { "meta.0" };
    tear(&half_written.path().join(other));

    for dir in [half_created.path(), half_written.path()] {
        let report = check(dir, &options()).expect("checked");
        assert!(report.is_clean(), "{:?}", report.problems);
        let report = as_planned(dir, &options(), RecoverOptions::new(), "recovered");
        assert!(!report.changed && report.dropped.is_empty(), "{report:?}");
        for name in ["meta.0", "meta.1"] {
            let copy = copy_of(&files_of(dir));
            tear(&copy.path().join(name));
            let problems = check(copy.path(), &options()).expect("checked").problems;
            assert!(
                problems.len() == 1 && problems[0].kind == Corruption::Meta,
                "{name}: {problems:?}"
            );
        }
    }
}

/// The copy of the metadata with the larger sequence number.
fn newest_copy(dir: &Path) -> &'static str {
    let sequence = |name: &&str| fs::read(dir.join(name)).expect("a copy")[32..40].to_vec();
    ["meta.0", "meta.1"]
        .into_iter()
        .max_by_key(sequence)
        .expect("two")
}

/// Leaves a copy of the metadata half overwritten.
fn tear(path: &Path) {
    let mut bytes = fs::read(path).expect("a copy");
    bytes[40..64].fill(0x55);
    fs::write(path, bytes).expect("a copy");
}

/// `stat` tells of the log as it is, not of the options it was called with.
#[test]
fn stat_goes_by_the_log() {
    let home = fast_dir();
    sound_log(&mut Random::new(seed("recover")), &home.path().join("log"), false);
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
