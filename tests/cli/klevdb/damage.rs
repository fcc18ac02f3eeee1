use std::fs;
use std::path::Path;

use crate::harness::run;

use super::layout::{self, Layout, Record};
use super::{Scratch, files, import, is_in_order, messages, summary, text};

/// A segment, and the offset in its name.
type Named = (i64, Vec<Record>);

pub(super) fn small() -> Vec<Record> {
    vec![
        Record::new(3, 10, "k", "one"),
        Record::new(4, 20, "", "two"),
        Record::new(5, 30, "key", "three"),
        Record::new(6, 40, "k", ""),
    ]
}

/// A directory with two segments, of two messages each.
pub(super) fn write(dir: &Path, layout: Layout) {
    layout::write(
        dir,
        layout,
        &[(3, small()[..2].to_vec()), (5, small()[2..].to_vec())],
    );
}

pub(super) fn path_of(dir: &Path, base: i64, ending: &str) -> std::path::PathBuf {
    dir.join(format!("{base:020}.{ending}"))
}

pub(super) fn both() -> [Layout; 2] {
    [1, 2].map(|version| Layout {
        version,
        times: true,
        keys: true,
    })
}

/// Goal: a log whose last record was cut off is told, and with `--recover` taken up to that record. Method: the last
/// segment is cut at every byte; it has no index that would know of more.
#[test]
fn a_torn_tail_is_told_at_every_byte_and_left_out_if_asked_for() {
    for layout in both() {
        let scratch = Scratch::new();
        let from = scratch.path("klevdb");
        write(&from, layout);
        fs::remove_file(path_of(&from, 5, "index")).expect("removed");
        let path = path_of(&from, 5, "log");
        let whole = fs::read(&path).expect("readable");
        let ends: Vec<usize> = (0..=2)
            .map(|count| layout::segment(layout.version, &small()[2..2 + count]).len())
            .collect();
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).expect("written");
            let to = scratch.path("log");
            let kept = 2 + ends.iter().rposition(|end| *end <= len).unwrap_or(0);
            let is_border = len == 0 || ends.contains(&len);
            let strict = import(&from, &to, &[]);
            let told = if is_border {
                summary(&strict)
            } else {
                assert!(strict.failed(3).contains("--recover"), "{len}: {strict:?}");
                assert_eq!(run(&["stat", text(&to)]).code, Some(4));
                summary(&import(&from, &to, &["--recover"]))
            };
            assert_eq!(messages(&to), small()[..kept], "{layout:?} {len}");
            let dropped = len - ends.iter().rfind(|end| **end <= len).unwrap_or(&0);
            assert_eq!(told["dropped_bytes"], dropped, "{len}");
            assert_eq!(told["next_offset"], 3 + kept);
            is_in_order(&to);
            fs::remove_dir_all(&to).expect("removed");
        }
    }
}

#[test]
fn damage_in_front_of_a_whole_record_is_no_torn_tail() {
    for layout in both() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        write(&from, layout);
        // The first record of the last segment, and the length of its value, as if it reached beyond the end.
        let start = if layout.version == 1 { 0 } else { 8 };
        let value_len_at = if layout.version == 1 { 22 } else { 26 };
        for at in [start + 30, start + value_len_at] {
            let path = path_of(&from, 5, "log");
            let whole = fs::read(&path).expect("readable");
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).expect("written");
            for flags in [&[][..], &["--recover"]] {
                let refused = import(&from, &to, flags);
                assert!(
                    refused.failed(3).contains("the record is damaged"),
                    "{layout:?} {at}: {refused:?}"
                );
            }
            fs::write(&path, &whole).expect("written");
        }
        // What is left is replaced by the next import.
        summary(&import(&from, &to, &[]));
        assert_eq!(messages(&to), small());
    }
}

/// Whether a checksum covers this byte of a segment: in format V1 the offset and the time of a record have none.
fn is_covered(layout: Layout, name: &str, at: usize) -> bool {
    let records = if name.starts_with(&format!("{:020}", 3)) {
        &small()[..2]
    } else {
        &small()[2..]
    };
    let first = layout::record(1, &records[0]).len();
    layout.version == 2 || !((0..16).contains(&at) || (first..first + 16).contains(&at))
}

/// Goal: whatever byte of a directory is wrong, an import refuses or takes the same messages. Method: each byte of each
/// file is changed, in two ways, with an index and without one, also with `--recover`, which may leave out the last
/// message. Of format V1, offsets and times are not covered by a checksum: these are other messages then, but only if
/// there is no index that knows better, or the time is not above those before it.
#[test]
fn a_wrong_byte_is_refused_or_changes_nothing() {
    for layout in both() {
        for has_index in [true, false] {
            let scratch = Scratch::new();
            let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
            write(&from, layout);
            if !has_index {
                for base in [3, 5] {
                    fs::remove_file(path_of(&from, base, "index")).expect("removed");
                }
            }
            for (name, whole) in files(&from) {
                for at in 0..whole.len() {
                    let mut bytes = whole.clone();
                    bytes[at] ^= if at % 2 == 0 { 1 } else { 0x80 };
                    fs::write(from.join(&name), &bytes).expect("written");
                    for flags in [&[][..], &["--recover"]] {
                        let done = import(&from, &to, flags);
                        let story = format!("{layout:?} {has_index} {name} {at} {flags:?}: {done:?}");
                        match done.code {
                            Some(3 | 1) => {}
                            Some(0) => {
                                let found = messages(&to);
                                let is_same = found == small();
                                let is_cut = !flags.is_empty() && found == small()[..3];
                                let is_free = name.contains(".log") && !is_covered(layout, &name, at);
                                assert!(is_same || is_cut || is_free, "{story} {found:?}");
                                assert!(!is_free || found.len() == 4, "{story} {found:?}");
                            }
                            _ => panic!("{story}"),
                        }
                        fs::remove_dir_all(&to).ok();
                    }
                }
                fs::write(from.join(&name), &whole).expect("written");
            }
        }
    }
}

/// Goal: an offset or a time of format V1 that was changed is noticed where an index knows it. Method: each bit of
/// these fields; the index has the latest time so far, which the times of these messages are.
#[test]
fn the_index_vouches_for_offsets_and_times_of_the_first_format() {
    let layout = Layout {
        version: 1,
        times: true,
        keys: true,
    };
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    write(&from, layout);
    let path = path_of(&from, 5, "log");
    let whole = fs::read(&path).expect("readable");
    let second = layout::record(1, &small()[2]).len();
    for bit in 0..128 {
        let mut bytes = whole.clone();
        bytes[second + bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).expect("written");
        let refused = import(&from, &to, &[]);
        assert_eq!(refused.code, Some(3), "{bit}: {refused:?}");
    }
    // On request the log is taken as it is.
    let mut bytes = whole;
    bytes[second + 15] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let told = summary(&import(&from, &to, &["--ignore-indexes"]));
    assert_eq!(told["index_problems"], 1);
    assert_eq!(messages(&to)[3].time, 41);
}

#[test]
fn messages_that_only_an_index_knows_are_missed() {
    for layout in both() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        write(&from, layout);
        // At the end of the log, a power cut may have taken them.
        for (base, hint) in [(3, "--ignore-indexes"), (5, "--recover")] {
            let path = path_of(&from, base, "log");
            let whole = fs::read(&path).expect("readable");
            let first = usize::try_from(base - 3).expect("small");
            fs::write(&path, layout::segment(layout.version, &small()[first..=first])).expect("written");
            let done = import(&from, &to, &[]);
            assert!(done.failed(3).contains("the index has messages"), "{done:?}");
            assert!(done.stderr.contains(hint), "{done:?}");
            summary(&import(&from, &to, &["--ignore-indexes"]));
            fs::remove_dir_all(&to).expect("removed");
            fs::write(&path, whole).expect("written");
        }
    }
}

#[test]
fn segments_that_do_not_fit_together_are_refused() {
    for layout in both() {
        let scratch = Scratch::new();
        let to = scratch.path("log");
        let cases: [(&str, Vec<Named>); 4] = [
            ("has none", vec![(1, Vec::new()), (3, small())]),
            ("than the file's name", vec![(2, small())]),
            (
                "below that of the one before it",
                vec![(
                    3,
                    vec![small()[0].clone(), small()[2].clone(), small()[1].clone()],
                )],
            ),
            ("names no segment so", vec![(3, small())]),
        ];
        for (number, (what, segments)) in cases.into_iter().enumerate() {
            let from = scratch.path(&format!("klevdb-{number}"));
            layout::write(&from, layout, &segments);
            if number == 3 {
                fs::write(from.join("5.log"), b"").expect("written");
            }
            let refused = import(&from, &to, &["--recover"]);
            // The first message of a segment of format V1 is what tells its format.
            let is_told = refused.stderr.contains(what) || (layout.version == 1 && number == 1);
            assert!(
                refused.code == Some(3) && is_told,
                "{layout:?} {what}: {refused:?}"
            );
        }
    }
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    write(&from, both()[1]);
    let path = path_of(&from, 3, "log");
    let mut bytes = fs::read(&path).expect("readable");
    bytes[6] = 2;
    fs::write(&path, bytes).expect("written");
    assert!(import(&from, &to, &[]).failed(1).contains("format version 2"));
}
