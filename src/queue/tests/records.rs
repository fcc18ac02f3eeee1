use fastrand::Rng;

use crate::queue::group::{Burying, Delta, Group, Open, Partition};
use crate::queue::ranges::Ranges;
use crate::queue::record::{Said, Unreadable, read, snapshot};
use crate::{LifeId, Position};

fn position(random: &mut Rng) -> Position {
    Position {
        life: LifeId::from_bytes(random.u128(..).to_le_bytes()),
        offset: random.u64(..),
    }
}

fn burying(random: &mut Rng) -> Burying {
    Burying {
        partition: random.u32(..3),
        offset: random.u64(..),
        attempts: random.u32(..),
        producer: random.u64(..),
        sequence: random.u64(..),
        reason: "größer".repeat(random.usize(..3)),
    }
}

fn delta(random: &mut Rng) -> Delta {
    let (partition, offset) = (random.u32(..3), random.u64(..));
    match random.u8(..6) {
        0 => Delta::Attempt {
            partition,
            offset,
            number: random.u32(..),
        },
        1 => Delta::Settled { partition, offset },
        2 => Delta::Retry {
            partition,
            offset,
            at: random.i64(..),
            delay: random.u64(..),
        },
        3 => Delta::Burying(burying(random)),
        4 => Delta::Buried { partition, offset },
        _ => Delta::Kicked {
            partition,
            next: position(random),
        },
    }
}

fn group(random: &mut Rng) -> Group {
    let mut group = Group {
        sequence: random.u64(..),
        buried: random.u64(..),
        ..Group::default()
    };
    for _ in 0..3 {
        let mut partition = Partition {
            position: position(random),
            floor: random.u64(..),
            ..Partition::default()
        };
        (0..random.u8(..9)).for_each(|_| partition.settled.insert(random.u64(..20)));
        for _ in 0..random.u8(..9) {
            let open = Open {
                attempts: random.u32(..),
                at: random.i64(..),
                delay: random.u64(..),
            };
            partition.open.insert(random.u64(..), open);
        }
        group.partitions.push(partition);
        group.kicked.push(position(random));
    }
    for _ in 0..random.u8(..4) {
        let burying = burying(random);
        group.burying.insert(burying.sequence, burying);
    }
    group
}

#[test]
fn what_is_written_is_read() {
    let random = &mut Rng::with_seed(1);
    for _ in 0..2000 {
        let delta = delta(random);
        let said = delta.with_bytes(read);
        assert_eq!(said, Ok(Said::Delta(delta)));
        let group = group(random);
        assert_eq!(read(&snapshot(&group)), Ok(Said::Snapshot(group)));
    }
}

#[test]
fn what_is_cut_off_or_too_long_is_damaged() {
    let random = &mut Rng::with_seed(2);
    for _ in 0..300 {
        let mut bytes = snapshot(&group(random));
        let len = random.usize(..bytes.len());
        assert_eq!(read(&bytes[..len]), Err(Unreadable::Damaged));
        bytes.push(0);
        assert_eq!(read(&bytes), Err(Unreadable::Damaged));
        // Any bytes do no harm.
        let at = random.usize(2..bytes.len());
        bytes[at] = random.u8(..);
        let _ = read(&bytes);
    }
    assert_eq!(read(&[2, 0]), Err(Unreadable::Version(2)));
    assert_eq!(read(&[]), Err(Unreadable::Damaged));
    assert_eq!(read(&[1, 99]), Err(Unreadable::Damaged));
}

/// Goal: these bytes are those of `docs/format.md`, whatever the code becomes.
#[test]
fn the_bytes_of_deltas_are_those_of_the_format() {
    let attempt = Delta::Attempt {
        partition: 1,
        offset: 2,
        number: 3,
    };
    let bytes = attempt.with_bytes(<[u8]>::to_vec);
    assert_eq!(bytes, [1, 1, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
    let empty = snapshot(&Group::default());
    assert_eq!(empty, [&[1, 0][..], &[0; 16], &[0; 12]].concat());
}

#[test]
fn a_delta_of_a_partition_that_there_is_not_is_refused() {
    let mut group = Group::default();
    let settled = Delta::Settled {
        partition: 0,
        offset: 0,
    };
    assert_eq!(group.apply(&settled), None);
}

#[test]
fn ranges_are_those_of_a_set() {
    let random = &mut Rng::with_seed(3);
    for _ in 0..300 {
        let (mut ranges, mut set) = (Ranges::default(), std::collections::BTreeSet::new());
        for _ in 0..40 {
            let (start, len) = (random.u64(..60), random.u64(..6));
            match random.u8(..8) {
                0 => {
                    ranges.forget_below(start);
                    set.retain(|offset| *offset >= start);
                }
                1 => {
                    ranges.forget_from(start);
                    set.retain(|offset| *offset < start);
                }
                _ => {
                    ranges.add(start, start + len);
                    set.extend(start..start + len);
                }
            }
            assert!((0..70).all(|offset| ranges.contains(offset) == set.contains(&offset)));
            let end = (start..u64::MAX).find(|offset| !set.contains(offset));
            assert_eq!(Some(ranges.end_from(start)), end);
            assert_eq!(ranges.end(), set.last().map_or(0, |last| last + 1));
            let pairs: Vec<_> = ranges.iter().collect();
            assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{pairs:?}");
        }
    }
}
