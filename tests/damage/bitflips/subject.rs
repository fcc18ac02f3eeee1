//! Small logs to be damaged.

use std::path::{Path, PathBuf};

use duramen::{Durability, Log, Options};
use fastrand::Rng;

use super::frames::{Segment, parse, u64_at};
use crate::common::{Item, fast_dir, files_of, segment_paths, with_messages, write_files};

/// A log on disk, and what it should say.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    dir: tempfile::TempDir,
    pub(crate) options: Options,
    /// The messages at the offsets from 0 on.
    pub(crate) model: Vec<Item>,
    /// The offset below which everything had been acknowledged as durable.
    pub(crate) acknowledged: u64,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) segments: Vec<Segment>,
}

/// How a small log comes about.
struct Recipe {
    name: &'static str,
    durability: Durability,
    /// For those who open it damaged.
    background: bool,
    /// Closed and opened again after so many batches.
    reopen_after: Option<usize>,
    /// Synced after so many batches.
    sync_after: Option<usize>,
    is_closed: bool,
}

const BATCHES: usize = 18;
/// The smallest there is: several segments with few messages.
const ROLLOVER: u64 = 1 << 10;

/// One log in each state in which damage can find it.
pub(crate) fn all(seed: u64) -> Vec<Subject> {
    let plain = Recipe {
        name: "closed",
        durability: Durability::EachPublish,
        background: false,
        reopen_after: None,
        sync_after: None,
        is_closed: true,
    };
    [
        Recipe {
            name: "killed, each publish",
            is_closed: false,
            background: true,
            ..plain
        },
        Recipe {
            name: "killed after a reopen, each publish",
            is_closed: false,
            reopen_after: Some(15),
            ..plain
        },
        Recipe {
            name: "killed, os, never synced",
            durability: Durability::Os,
            is_closed: false,
            ..plain
        },
        Recipe {
            name: "killed, os, synced once",
            durability: Durability::Os,
            is_closed: false,
            sync_after: Some(16),
            ..plain
        },
        Recipe {
            name: "killed after a reopen, os",
            durability: Durability::Os,
            is_closed: false,
            reopen_after: Some(14),
            background: true,
            ..plain
        },
        plain,
    ]
    .into_iter()
    .zip(1..)
    .map(|(recipe, n)| recipe.cook(Rng::with_seed(seed ^ (n << 32))))
    .collect()
}

impl Recipe {
    fn cook(&self, mut random: Rng) -> Subject {
        let options = Options::new()
            .create_dirs(true)
            .key_index(true)
            .time_index(true)
            .durability(self.durability)
            .rollover(ROLLOVER)
            .background(self.background);
        // What a background thread had got to would be chance.
        let cooking = options.clone().background(false);
        let home = fast_dir();
        let mut model: Vec<Item> = Vec::new();
        let mut log = cooking.open(home.path()).expect("a new log");
        // What was synced only because a segment was left behind is proven by the next batch, which may not have come.
        let mut acknowledged = 0;
        for batch in 0..BATCHES {
            if self.reopen_after == Some(batch) {
                log.close().expect("a close");
                log = cooking.open(home.path()).expect("a reopen");
                acknowledged = model.len() as u64;
            }
            let count = if random.bool() { 1 } else { 2 + random.u64(..3) };
            let items: Vec<Item> = (0..count).map(|_| item(&mut random, model.len())).collect();
            with_messages(&items, |messages| log.publish(messages)).expect("a publish");
            model.extend(items);
            if self.sync_after == Some(batch) {
                acknowledged = log.sync().expect("a sync");
            }
        }
        if self.durability == Durability::EachPublish {
            acknowledged = log.next_offset().expect("an open log");
        }
        if self.is_closed {
            log.close().expect("a close");
            acknowledged = model.len() as u64;
        }
        let files = files_of(home.path());
        let at = |path: &PathBuf| {
            files
                .iter()
                .position(|(name, _)| path.ends_with(name))
                .expect("listed")
        };
        let segments = segment_paths(home.path())
            .iter()
            .map(at)
            .map(|at| parse(at, &files[at].1))
            .collect();
        drop(log);
        let dir = fast_dir();
        write_files(dir.path(), &files);
        Subject {
            name: self.name,
            dir,
            options,
            acknowledged,
            model,
            files,
            segments,
        }
    }
}

/// Times go up by different steps, stay, and at times go back: the time index cannot always tell them apart.
fn item(random: &mut Rng, offset: usize) -> Item {
    let mut item = Item::any(random, 5, 40);
    let step = [1, 1, 70_000, 3_000_000][random.usize(..4)];
    item.time = i64::try_from(offset).expect("small") * 1_000_000 + step;
    item
}

impl Subject {
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, file: usize) -> PathBuf {
        self.dir.path().join(&self.files[file].0)
    }

    /// Whether this is the copy of the metadata that no longer counts, and that a crash may leave torn.
    pub(crate) fn is_older_copy(&self, file: usize) -> bool {
        let sequence = |bytes: &[u8]| u64_at(bytes, 32);
        let is_newer = |(name, bytes): &(String, Vec<u8>)| {
            name.starts_with("meta") && sequence(bytes) > sequence(&self.files[file].1)
        };
        self.files[file].0.starts_with("meta") && self.files.iter().any(is_newer)
    }

    /// The segment in this file, if it is one.
    pub(crate) fn segment_of(&self, file: usize) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.file == file)
    }
}
