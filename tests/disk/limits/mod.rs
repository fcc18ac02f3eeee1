//! Limits of the system: a full disk, files of limited size, few descriptors. Whatever cannot be written is refused in
//! clear words, nothing is lost, and the log works again when there is room.
//!
//! The disk is a small `tmpfs` in a mount namespace of a child process. Where none can be had the tests say so and
//! pass, unless the variable `CI` is `true`.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_DISK_STEP` | by how many KiB of free space the sweep goes; default 64 |
//! | `DURAMEN_DISK_SIZES` | 1 for disks of all sizes, from 256 KiB to 64 MiB |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |

mod copy_on_write;
mod full_disk;
mod process;
mod sweep;

use duramen::{Durability, Error, ErrorKind, FileLog, Log, Options, Start};
use fastrand::Rng;

use crate::common::{Item, number, role, with_messages};

/// The module whose test `in_a_child` a child runs.
const CHILD: &str = module_path!();

/// What the children of these tests do.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let seed = number("DURAMEN_SEED", 0);
    match role.as_str() {
        "fill" => full_disk::fill_at_every_step(&full_disk::mount(), seed),
        "open" => full_disk::open_on_a_full_disk(&full_disk::mount(), seed),
        "holes" => full_disk::use_a_copy_with_holes(&full_disk::mount(), seed),
        "fill and die" => sweep::fill_and_die(),
        "remove" => full_disk::remove_on_a_full_disk(&full_disk::mount(), seed),
        "file size" => process::limit_file_size(seed),
        "descriptors" => process::limit_descriptors(seed),
        "not mapped" => process::read_without_mappings(),
        "many segments" => process::have_many_segments(seed),
        "many logs" => process::share_mappings(),
        other => match other.strip_prefix(sweep::SWEEP) {
            Some(part) => sweep::sweep_sizes(part),
            None => panic!("{other}"),
        },
    }
}

/// A log whose every message is known.
struct Known {
    items: Vec<Item>,
    random: Rng,
    /// Bytes of the largest values.
    value_len_max: u64,
    batch_max: u64,
}

impl Known {
    fn new(seed: u64, value_len_max: u64, batch_max: u64) -> Known {
        Known {
            items: Vec::new(),
            random: Rng::with_seed(seed),
            value_len_max,
            batch_max,
        }
    }

    /// Publishes once; what is refused was not published.
    fn publish(&mut self, log: &FileLog) -> Result<(), Error> {
        let count = 1 + self.random.u64(..self.batch_max);
        let items: Vec<Item> = (0..count)
            .map(|_| Item::any(&mut self.random, 9, self.value_len_max))
            .collect();
        let next = with_messages(&items, |messages| log.publish(messages))?;
        self.items.extend(items);
        assert_eq!(next, self.items.len() as u64);
        Ok(())
    }

    /// Publishes so many times, or until it is refused.
    fn publish_up_to(&mut self, log: &FileLog, times: u64) -> Option<Error> {
        (0..times).find_map(|_| self.publish(log).err())
    }

    /// Everything is there, and nothing else.
    fn check(&self, log: &FileLog, when: &str) {
        let mut next = 0;
        loop {
            let batch = log
                .consume(Start::At(next), 500)
                .unwrap_or_else(|error| panic!("{when}: {error:?}"));
            for message in &batch {
                let offset = usize::try_from(next).expect("small");
                assert!(
                    self.items.get(offset).is_some_and(|item| item.is(next, message)),
                    "{when}: offset {next}"
                );
                next += 1;
            }
            if batch.messages.is_empty() {
                break;
            }
        }
        assert_eq!(next, self.items.len() as u64, "{when}: lost or added");
        assert_eq!(log.next_offset().expect("an offset"), next, "{when}");
        let newest = self
            .items
            .iter()
            .rposition(|item| item.key.as_deref() == Some(b"key-1"));
        let found = log.get_by_key(b"key-1").ok().map(|found| found.offset);
        assert_eq!(found, newest.map(|at| at as u64), "{when}: by key");
    }
}

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(64 << 10)
}

fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::NotWritten && matches!(error, Error::Io { .. })
}

/// Ways to use a log: by whom, how, and with what.
fn arrangements() -> impl Iterator<Item = (Options, u64, u64)> {
    let durabilities = [Durability::Os, Durability::EachPublish];
    durabilities.into_iter().flat_map(|durability| {
        [true, false].into_iter().flat_map(move |background| {
            // Small messages, messages of some pages, batches that are larger than a segment.
            [(100, 1), (9000, 3), (60_000, 9)].map(move |(value_len_max, batch_max)| {
                (
                    options().durability(durability).background(background),
                    value_len_max,
                    batch_max,
                )
            })
        })
    })
}
