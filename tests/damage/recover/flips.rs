//! One bit at a time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use duramen::{RecoverOptions, RecoverReport, recover_with};
use fastrand::Rng;

use super::{as_planned, assert_holds, lost_of, options, sound_log};
use crate::common::{Item, fast_dir, files_of, number, seed, write_files};

/// Goal: what is lost is what was damaged, when salvaging, and what comes behind as well, when not. Method: one bit at
/// a time is flipped in the records of a log, and the log recovered in both ways, each twice, and tried first.
fn flips(with_gaps: bool, without_index: bool) {
    let mut random = Rng::with_seed(seed("recover"));
    let sound = fast_dir();
    let model = sound_log(&mut random, &sound.path().join("log"), with_gaps);
    let mut files = files_of(&sound.path().join("log"));
    if without_index {
        files.retain(|(name, _)| !is_kind(name, "idx"));
    }
    let is_filled = |(name, bytes): &(String, Vec<u8>)| is_kind(name, "log") && bytes.len() > 192;
    let logs: Vec<usize> = (0..files.len()).filter(|i| is_filled(&files[*i])).collect();
    let mut hits = 0;
    for round in 0..number("DURAMEN_RECOVER_FLIPS", 40) {
        let file = logs[random.usize(..logs.len())];
        let len = files[file].1.len() as u64;
        let bit = 192 * 8 + random.u64(..(len - 192) * 8);
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
