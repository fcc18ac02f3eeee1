use std::fmt;

use duramen::fault::SimDisk;
use duramen::{Durability, MappedFiles, Options, Retention};

use super::settings::mix;

/// What is done to a log in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Publishes a message of a few bytes.
    Small,
    /// Publishes a message that crosses a border between pages.
    Page,
    /// Publishes a message larger than what is left of the segment.
    Segment,
    /// Publishes five messages of all shapes at once.
    Batch,
    Sync,
    /// Publishes until a new segment begins.
    Roll,
    /// Kills the process and opens the log again.
    Reopen,
    /// Closes the log. The next step, if there is one, opens it again.
    Close,
    /// Publishes messages that fill a few segments.
    Fill,
    /// Publishes messages that fill a few segments, of which [`Step::Merge`] keeps a small one in each.
    Thin,
    DeleteFirst,
    DeleteMiddle,
    DeleteLast,
    DeleteAll,
    /// Trims the first half.
    Trim,
    TrimAll,
    /// Deletes messages that a later one with the same key supersedes.
    Compact,
    /// Deletes most messages of all segments, so that some become one.
    Merge,
    /// Applies the retention policy.
    Retain,
    /// Takes a backup to another directory of the same disk; a later one onto the same.
    Backup,
    /// Kills the process and recovers the log.
    Recover,
    /// Publishes a message, and another token in the same batch.
    Fence,
    /// Publishes another token alone.
    FenceAlone,
    /// Publishes a control record that trims the first half.
    TrimControl,
    /// Seals the log with a last message. From then on, steps that publish have to be refused.
    Seal,
    Unseal,
    /// Publishes a message of one of two producers, or several.
    Produce,
    /// Publishes what a producer has published last once more.
    ProduceTwice,
    /// Publishes more batches of a producer than are remembered.
    ProduceMany,
}

impl Step {
    /// Those that add to a log.
    pub(crate) const ADDING: [Step; 8] = [
        Step::Small,
        Step::Page,
        Step::Segment,
        Step::Batch,
        Step::Sync,
        Step::Roll,
        Step::Reopen,
        Step::Close,
    ];

    /// Those that take from it, or copy it, and some that add to it.
    pub(crate) const REMOVING: [Step; 17] = [
        Step::DeleteFirst,
        Step::DeleteMiddle,
        Step::DeleteLast,
        Step::DeleteAll,
        Step::Trim,
        Step::TrimAll,
        Step::Compact,
        Step::Merge,
        Step::Retain,
        Step::Backup,
        Step::Recover,
        Step::Small,
        Step::Batch,
        Step::Roll,
        Step::Sync,
        Step::Reopen,
        Step::Close,
    ];

    /// Those with control records or producers, and some that move, remove or copy what they leave behind.
    pub(crate) const CONTROLLING: [Step; 18] = [
        Step::Fence,
        Step::FenceAlone,
        Step::TrimControl,
        Step::Seal,
        Step::Unseal,
        Step::Produce,
        Step::ProduceTwice,
        Step::Small,
        Step::Roll,
        Step::Sync,
        Step::Reopen,
        Step::Close,
        Step::TrimAll,
        Step::DeleteMiddle,
        Step::DeleteAll,
        Step::Merge,
        Step::Backup,
        Step::Recover,
    ];

    fn parse(text: &str) -> Option<Step> {
        let mut all = [Step::Fill, Step::Thin, Step::ProduceMany]
            .into_iter()
            .chain(Step::ADDING)
            .chain(Step::REMOVING)
            .chain(Step::CONTROLLING);
        all.find(|step| format!("{step:?}") == text)
    }
}

/// All sequences of 1 to `len_max` steps.
pub(crate) fn workloads(of: &[Step], len_max: usize) -> Vec<Vec<Step>> {
    let mut all: Vec<Vec<Step>> = Vec::new();
    let mut of_len = vec![Vec::new()];
    for _ in 0..len_max {
        of_len = of_len
            .iter()
            .flat_map(|steps: &Vec<Step>| of.iter().map(|step| [&steps[..], &[*step]].concat()))
            .collect();
        all.extend(of_len.iter().cloned());
    }
    all
}

/// How the log is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) name: &'static str,
    pub(crate) dir: &'static str,
    pub(crate) durability: Durability,
    pub(crate) rollover: u64,
    pub(crate) key_index: bool,
    pub(crate) time_index: bool,
    /// Whether the directory is there already, with a file in it that is not ours.
    pub(crate) has_stranger: bool,
    /// How many messages the retention policy keeps.
    pub(crate) kept_max: Option<u64>,
    /// Which files may be mapped on the file system.
    pub(crate) mapped: MappedFiles,
}

impl Config {
    pub(crate) const ALL: [Config; 4] = [
        Config {
            name: "each-1k-both",
            dir: Config::DIR,
            durability: Durability::EachPublish,
            rollover: 1 << 10,
            key_index: true,
            time_index: true,
            has_stranger: true,
            kept_max: None,
            mapped: MappedFiles::All,
        },
        Config {
            name: "each-8k",
            dir: Config::DIR,
            durability: Durability::EachPublish,
            rollover: 8 << 10,
            key_index: false,
            time_index: false,
            has_stranger: false,
            kept_max: None,
            mapped: MappedFiles::All,
        },
        Config {
            name: "os-1k",
            dir: Config::DIR,
            durability: Durability::Os,
            rollover: 1 << 10,
            key_index: false,
            time_index: true,
            has_stranger: true,
            kept_max: None,
            mapped: MappedFiles::All,
        },
        Config {
            name: "os-8k-both",
            dir: Config::DIR,
            durability: Durability::Os,
            rollover: 8 << 10,
            key_index: true,
            time_index: true,
            has_stranger: false,
            kept_max: None,
            mapped: MappedFiles::All,
        },
    ];

    /// For the steps that remove messages.
    pub(crate) const REMOVING: [Config; 2] = [
        Config {
            name: "each-1k-removing",
            has_stranger: false,
            ..Config::ALL[0]
        },
        Config {
            name: "os-1k-retaining",
            key_index: true,
            has_stranger: false,
            kept_max: Some(9),
            ..Config::ALL[2]
        },
    ];

    /// As the last, without a retention policy.
    pub(crate) const OS: Config = Config {
        name: "os-1k-removing",
        kept_max: None,
        ..Config::REMOVING[1]
    };

    /// Where nothing is stored through a mapping.
    pub(crate) const BY_CALL: [Config; 2] = [
        Config {
            name: "each-1k-nothing-mapped",
            mapped: MappedFiles::Nothing,
            ..Config::REMOVING[0]
        },
        Config {
            name: "os-8k-sealed-mapped",
            mapped: MappedFiles::Sealed,
            ..Config::ALL[3]
        },
    ];

    pub(crate) const DIR: &'static str = "/data/log";
    const COPY: &'static str = "/data/copy";
    pub(crate) const STRANGER: &'static str = "/data/log/notes.txt";
    pub(crate) const STRANGER_BYTES: &'static [u8] = b"leave me alone";

    pub(crate) fn options(&self, disk: &SimDisk) -> Options {
        let retention = match self.kept_max {
            Some(messages) => Retention::new().max_messages(messages),
            None => Retention::new(),
        };
        Options::new()
            .create_dirs(true)
            .retention(retention)
            .key_index(self.key_index)
            .time_index(self.time_index)
            .durability(self.durability)
            .rollover(self.rollover)
            .background(false)
            .storage(disk)
    }

    /// Its backup.
    pub(crate) fn copy(&self) -> Config {
        Config {
            dir: Config::COPY,
            has_stranger: false,
            kept_max: None,
            ..*self
        }
    }

    /// Whether nothing is seen before it is durable.
    pub(crate) fn is_visible_durable(&self) -> bool {
        self.durability == Durability::EachPublish
    }

    /// A disk before the first open.
    pub(crate) fn disk(&self, seed: u64) -> SimDisk {
        let disk = SimDisk::new(mix(seed, self.rollover ^ u64::from(self.is_visible_durable())));
        if self.has_stranger {
            disk.set_file(Config::STRANGER.as_ref(), Config::STRANGER_BYTES)
                .expect("a new disk");
        }
        disk.set_mapped_files(self.mapped);
        disk
    }
}

/// One configuration and what is done in it.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) config: Config,
    pub(crate) steps: Vec<Step>,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.config.name)?;
        self.steps.iter().try_for_each(|step| write!(f, ",{step:?}"))
    }
}

impl Workload {
    pub(crate) fn parse(text: &str) -> Option<Workload> {
        let mut words = text.split(',');
        let name = words.next()?;
        let mut all = Config::ALL
            .into_iter()
            .chain(Config::REMOVING)
            .chain([Config::OS])
            .chain(Config::BY_CALL);
        let config = all.find(|config| config.name == name)?;
        let steps = words.map(Step::parse).collect::<Option<_>>()?;
        Some(Workload { config, steps })
    }
}
