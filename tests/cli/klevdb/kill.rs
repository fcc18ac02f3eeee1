//! What a kill of klevdb or a power cut leaves.

use std::fs;

use super::damage::{both, path_of, small, write};
use super::layout::{self, Record};
use super::{Scratch, import, is_in_order, messages, summary};

/// Goal: what klevdb leaves when it is killed is told, and with `--recover` taken. Method: a message that was written
/// without its item, so that its offset was given to another one; and a segment that was rewritten by a deletion and
/// got its new name, but the old one is still there.
#[test]
fn what_a_killed_klevdb_leaves_is_told_and_taken_if_asked_for() {
    for layout in both() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        let mut records = small();
        let lost = Record::new(5, 25, "lost", "never acknowledged");
        records.insert(2, lost);
        layout::write(&from, layout, &[(3, records)]);
        let index = path_of(&from, 3, "index");
        // As if the item of the message that is lost had never been written.
        let mut bytes = fs::read(&index).expect("readable");
        let at = bytes.len() - 3 * 32;
        bytes.drain(at..at + 32);
        fs::write(&index, bytes).expect("written");
        assert!(import(&from, &to, &[]).failed(3).contains("--recover"));
        let told = summary(&import(&from, &to, &["--recover"]));
        assert_eq!(
            (&told["dropped_messages"], &told["index_problems"]),
            (&1.into(), &1.into())
        );
        assert_eq!(messages(&to), small());

        let (from, to) = (scratch.path("deleting"), scratch.path("deleted"));
        layout::write(
            &from,
            layout,
            &[(3, small()), (5, vec![small()[2].clone(), small()[3].clone()])],
        );
        assert!(
            import(&from, &to, &[])
                .failed(3)
                .contains("the next segment has the message as well")
        );
        let told = summary(&import(&from, &to, &["--recover"]));
        assert_eq!(told["dropped_messages"], 2);
        assert_eq!(messages(&to), small());
    }
}

/// Goal: zeros, which a power cut leaves, are never taken for a message. Method: zeros behind the messages of the last
/// segment, one or more of them, also from offset 0 on; they are told, and with `--recover` left out.
#[test]
fn zeros_behind_the_messages_are_a_torn_tail() {
    for layout in both() {
        for (base, count) in [(0, 1), (0, 3), (5, 0), (5, 1), (5, 2)] {
            for zeros in [1, 8, 27, 28, 56, 5000] {
                let scratch = Scratch::new();
                let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
                let record = |number| Record::new(base + number, 10 + number, "k", "value");
                let records: Vec<Record> = (0..count).map(record).collect();
                layout::write(&from, layout, &[(base, records.clone())]);
                let path = path_of(&from, base, "log");
                // What has no message yet may have no header either.
                let mut bytes = if count == 0 {
                    Vec::new()
                } else {
                    fs::read(&path).expect("readable")
                };
                bytes.resize(bytes.len() + zeros, 0);
                fs::write(&path, bytes).expect("written");
                let story = format!("{layout:?} {base} {count} {zeros}");
                let refused = import(&from, &to, &[]);
                assert!(refused.failed(3).contains("--recover"), "{story}: {refused:?}");
                let told = summary(&import(&from, &to, &["--recover"]));
                assert_eq!(messages(&to), records, "{story}");
                assert_eq!(told["dropped_bytes"], zeros, "{story}");
                assert_eq!(told["dropped_messages"], 0, "{story}");
                assert_eq!(told["next_offset"], base + count, "{story}");
            }
        }
    }
}

/// Goal: messages behind zeros are not lost, whatever the format. Method: the front of the last segment is zeroed, its
/// header as well.
#[test]
fn messages_behind_a_front_of_zeros_are_never_dropped() {
    for layout in both() {
        for base in [0, 5] {
            for has_index in [true, false] {
                let scratch = Scratch::new();
                let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
                let records: Vec<Record> = (base..base + 200)
                    .map(|offset| Record::new(offset, 10 + offset, "k", "value"))
                    .collect();
                layout::write(&from, layout, &[(base, records)]);
                let path = path_of(&from, base, "log");
                let mut bytes = fs::read(&path).expect("readable");
                bytes[..4096].fill(0);
                fs::write(&path, bytes).expect("written");
                if !has_index {
                    fs::remove_file(path_of(&from, base, "index")).expect("removed");
                }
                let refused = import(&from, &to, &["--recover"]);
                assert!(
                    refused.failed(3).contains("the record is damaged"),
                    "{layout:?} {base}: {refused:?}"
                );
            }
        }
    }
}

/// Goal: the offset of an acknowledged message is not given out twice, although the message is lost. Method: the end
/// of the last segment is cut off, at every byte, as by a power cut; the index has all items.
#[test]
fn messages_lost_at_the_end_are_told_and_their_offsets_stay_theirs() {
    for layout in both() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        write(&from, layout);
        let path = path_of(&from, 5, "log");
        let whole = fs::read(&path).expect("readable");
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).expect("written");
            let refused = import(&from, &to, &[]);
            assert!(
                refused.failed(3).contains("--recover"),
                "{layout:?} {len}: {refused:?}"
            );
            let told = summary(&import(&from, &to, &["--recover"]));
            assert_eq!(told["next_offset"], 7, "{layout:?} {len}");
            assert_eq!(told["index_problems"], 1, "{layout:?} {len}");
            is_in_order(&to);
            fs::remove_dir_all(&to).expect("removed");
        }
        // Zeros in the index are no items.
        fs::write(&path, &whole).expect("written");
        let index = path_of(&from, 5, "index");
        let mut bytes = fs::read(&index).expect("readable");
        bytes.resize(bytes.len() + 64, 0);
        fs::write(&index, bytes).expect("written");
        assert_eq!(summary(&import(&from, &to, &[]))["next_offset"], 7);
        fs::remove_dir_all(&to).expect("removed");
        // Without the index, nobody knows of them.
        fs::write(&path, &whole[..0]).expect("written");
        assert_eq!(
            summary(&import(&from, &to, &["--ignore-indexes"]))["next_offset"],
            5
        );
    }
}

/// Goal: the offsets of messages that are left out are given out no more. Method: a kill in a deletion of the first
/// and the last message of a segment.
#[test]
fn the_next_offset_is_behind_the_messages_that_are_left_out() {
    for layout in both() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        layout::write(&from, layout, &[(3, small()), (4, small()[1..3].to_vec())]);
        let told = summary(&import(&from, &to, &["--recover"]));
        assert_eq!(messages(&to), small()[..3]);
        assert_eq!(
            (&told["next_offset"], &told["dropped_messages"]),
            (&7.into(), &3.into())
        );
    }
}

/// Goal: a good message is not dropped because the offset of its neighbour is wrong. Method: in format V1, which has
/// no checksum of offsets, one becomes that of the message before it; there is no index.
#[test]
fn a_wrong_offset_of_the_first_format_drops_no_neighbour() {
    let layout = both()[0];
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    layout::write(&from, layout, &[(4, small()[1..].to_vec())]);
    let path = path_of(&from, 4, "log");
    let mut bytes = fs::read(&path).expect("readable");
    bytes[layout::record(1, &small()[1]).len() + 7] ^= 1;
    fs::write(&path, bytes).expect("written");
    fs::remove_file(path_of(&from, 4, "index")).expect("removed");
    let refused = import(&from, &to, &["--recover"]);
    assert!(
        refused.failed(3).contains("the offset of the one before it"),
        "{refused:?}"
    );
    assert!(!refused.stderr.contains("--recover"), "{refused:?}");
}

/// Goal: a message that was never acknowledged, and whose offset the next segment begins with, is told and left out.
/// Method: as if klevdb had been killed between the message and its item, when the segment became too large.
#[test]
fn a_message_without_an_item_at_the_end_of_a_segment_is_left_out() {
    for layout in both() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        let mut first = small()[..2].to_vec();
        first.push(Record::new(5, 25, "lost", "never acknowledged"));
        layout::write(&from, layout, &[(3, first), (5, small()[2..].to_vec())]);
        // Its item makes it an acknowledged one.
        for flags in [&[][..], &["--recover"]] {
            assert!(
                import(&from, &to, flags)
                    .failed(3)
                    .contains("not below those of the next segment")
            );
        }
        let index = path_of(&from, 3, "index");
        let bytes = fs::read(&index).expect("readable");
        fs::write(&index, &bytes[..bytes.len() - 32]).expect("written");
        assert!(import(&from, &to, &[]).failed(3).contains("--recover"));
        let told = summary(&import(&from, &to, &["--recover"]));
        assert_eq!(told["dropped_messages"], 1);
        assert_eq!(messages(&to), small());
    }
}

/// Goal: a whole message that is too large is never left out as a torn tail. Method: one of format V1, for which klevdb
/// had no limit, as the last one, and behind a message that is damaged.
#[test]
fn a_message_that_is_too_large_is_told_and_not_left_out() {
    let layout = both()[0];
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    let mut large = Record::new(4, 20, "key", "");
    large.value = vec![b'v'; 64 << 20];
    layout::write(&from, layout, &[(3, vec![small()[0].clone(), large])]);
    for flags in [&[][..], &["--recover"]] {
        let refused = import(&from, &to, flags);
        assert!(refused.failed(1).contains("at position 32"), "{refused:?}");
        assert!(refused.stderr.contains("67108867 bytes"), "{refused:?}");
    }
    let path = path_of(&from, 3, "log");
    let mut bytes = fs::read(&path).expect("readable");
    bytes[30] ^= 1;
    fs::write(&path, &bytes).expect("written");
    assert!(
        import(&from, &to, &["--recover"])
            .failed(3)
            .contains("the record is damaged")
    );
    // One that does not end in the file is a torn one.
    bytes[30] ^= 1;
    bytes.pop();
    fs::write(&path, &bytes).expect("written");
    assert_eq!(summary(&import(&from, &to, &["--recover"]))["messages"], 1);
}
