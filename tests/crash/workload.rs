use std::fmt;

use duramen::fault::SimDisk;
use duramen::{Durability, NewMessage, Options, Timestamp};

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
}

impl Step {
    pub(crate) const ALL: [Step; 8] = [
        Step::Small,
        Step::Page,
        Step::Segment,
        Step::Batch,
        Step::Sync,
        Step::Roll,
        Step::Reopen,
        Step::Close,
    ];

    fn parse(text: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| format!("{step:?}") == text)
    }
}

/// All sequences of 1 to `len_max` steps.
pub(crate) fn workloads(len_max: usize) -> Vec<Vec<Step>> {
    let mut all: Vec<Vec<Step>> = Vec::new();
    let mut of_len = vec![Vec::new()];
    for _ in 0..len_max {
        of_len = of_len
            .iter()
            .flat_map(|steps| Step::ALL.map(|step| [&steps[..], &[step]].concat()))
            .collect();
        all.extend(of_len.iter().cloned());
    }
    all
}

/// How the log is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) name: &'static str,
    pub(crate) durability: Durability,
    pub(crate) rollover: u64,
    pub(crate) key_index: bool,
    pub(crate) time_index: bool,
    /// Whether the directory is there already, with a file in it that is not ours.
    pub(crate) has_stranger: bool,
}

impl Config {
    pub(crate) const ALL: [Config; 4] = [
        Config {
            name: "each-1k-both",
            durability: Durability::EachPublish,
            rollover: 1 << 10,
            key_index: true,
            time_index: true,
            has_stranger: true,
        },
        Config {
            name: "each-8k",
            durability: Durability::EachPublish,
            rollover: 8 << 10,
            key_index: false,
            time_index: false,
            has_stranger: false,
        },
        Config {
            name: "os-1k",
            durability: Durability::Os,
            rollover: 1 << 10,
            key_index: false,
            time_index: true,
            has_stranger: true,
        },
        Config {
            name: "os-8k-both",
            durability: Durability::Os,
            rollover: 8 << 10,
            key_index: true,
            time_index: true,
            has_stranger: false,
        },
    ];

    pub(crate) const DIR: &'static str = "/data/log";
    pub(crate) const STRANGER: &'static str = "/data/log/notes.txt";
    pub(crate) const STRANGER_BYTES: &'static [u8] = b"leave me alone";

    pub(crate) fn options(&self, disk: &SimDisk) -> Options {
        Options::new()
            .create_dirs(true)
            .key_index(self.key_index)
            .time_index(self.time_index)
            .durability(self.durability)
            .rollover(self.rollover)
            .background(false)
            .storage(disk)
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
        let config = Config::ALL.into_iter().find(|config| config.name == name)?;
        let steps = words.map(Step::parse).collect::<Option<_>>()?;
        Some(Workload { config, steps })
    }
}

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) time: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Content {
    /// The `n`-th message of a life, with a value of `len` bytes. No two lives have a message in common, so that one
    /// that comes back in another's place is noticed.
    pub(crate) fn new(life: u64, n: u64, len: usize) -> Content {
        let seed = mix(mix(7, life), n);
        let value: Vec<u8> = (0..).flat_map(|i| mix(seed, i).to_le_bytes()).take(len).collect();
        let keys: [Option<&[u8]>; 4] = [Some(b"one"), Some(b"two"), Some(b""), None];
        Content {
            // Times go back now and then.
            time: 1_000_000 + 1000 * (n as i64) - 2500 * (n as i64 % 3),
            key: keys[(seed % 4) as usize].map(<[u8]>::to_vec),
            value: Some(value),
            headers: Vec::new(),
        }
    }

    /// Five messages of all shapes.
    pub(crate) fn batch(life: u64, n: u64) -> Vec<Content> {
        let mut batch: Vec<Content> = (0..5)
            .map(|i| Content::new(life, n + i, 10 + 40 * i as usize))
            .collect();
        batch[1] = Content {
            key: Some(b"one".to_vec()),
            value: None,
            ..batch[1].clone()
        };
        batch[2].value = Some(Vec::new());
        batch[3].headers = vec![
            (b"name".to_vec(), b"value".to_vec()),
            (Vec::new(), n.to_le_bytes().to_vec()),
        ];
        batch
    }
}

/// Calls `f` with `contents` in the form in which they are published.
pub(crate) fn as_new<T>(contents: &[Content], f: impl FnOnce(&[NewMessage<'_>]) -> T) -> T {
    let headers: Vec<Vec<(&[u8], &[u8])>> = contents
        .iter()
        .map(|content| {
            content
                .headers
                .iter()
                .map(|(name, value)| (&name[..], &value[..]))
                .collect()
        })
        .collect();
    let messages: Vec<NewMessage<'_>> = contents
        .iter()
        .zip(&headers)
        .map(|(content, headers)| NewMessage {
            time: Some(Timestamp::from_micros(content.time)),
            key: content.key.as_deref(),
            value: content.value.as_deref(),
            headers,
        })
        .collect();
    f(&messages)
}
