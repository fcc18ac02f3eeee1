//! The settings of a stream on the command line, and as they are printed.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use duramen::store::{Patch, StreamConfig, StreamPatch};
use duramen::{Durability, TimestampPolicy};

use crate::failure::Failure;
use crate::size;

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that do not depend on each other"
)]
pub(super) struct Settings {
    #[command(flatten)]
    removal: Removal,

    /// Which times messages get
    #[arg(long, value_enum, value_name = "MODE")]
    timestamps: Option<Mode>,

    /// Let times be ahead of the clock
    #[arg(long, requires = "timestamps")]
    uncapped: bool,

    /// Keep an index from keys to messages
    #[arg(long)]
    key_index: bool,

    /// Keep an index from times to messages
    #[arg(long)]
    time_index: bool,

    /// When messages are on stable storage: os, when the operating system writes them, at the
    /// latest at the end of a command; each-publish, when they are published; interval:AGE, so long
    /// after that at most; bytes:N, when this many bytes are not yet
    #[arg(long, value_name = "os|each-publish|interval:AGE|bytes:N", value_parser = durability)]
    durability: Option<Durability>,

    /// While a partition has a fencing token, refuse who publishes without one
    #[arg(long)]
    require_token: bool,
}

/// What is removed without being asked for each time.
#[derive(Debug, clap::Args)]
struct Removal {
    /// Keep messages for so long after they were published, such as 7d, 1h or 30m
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,

    /// Keep as many of the newest messages of each partition as fit into this many bytes, such as
    /// 500M or 1GiB
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    max_bytes: Option<u64>,

    /// Keep this many of the newest messages of each partition
    #[arg(long, value_name = "N")]
    max_messages: Option<u64>,

    /// Keep what exceeds a limit and was not read by all stored cursors and work queues, but for
    /// what is more than N offsets behind the end
    #[arg(long, value_name = "N")]
    keep_unread: Option<u64>,

    /// Let --max-age count from the times of the messages
    #[arg(long)]
    by_event_time: bool,

    /// Remove messages that later ones of the same key have superseded, while a process has the
    /// store open for writing (needs a key index)
    #[arg(long)]
    compact: bool,

    /// Let --compact remove only messages that were published so long ago [default: none, and 24
    /// hours for tombstones]
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    compact_older_than: Option<Duration>,

    /// Delete the stream once it has no messages, and nobody has written to it for so long
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    delete_on_empty: Option<Duration>,
}

/// Which times messages get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// The time given as it is, or now
    AsGiven,
    /// The time given or now, in order
    ClientPrefer,
    /// The time given, in order; a message without one is refused
    ClientRequire,
    /// Now, in order
    Arrival,
}

impl Mode {
    fn policy(self) -> TimestampPolicy {
        match self {
            Mode::AsGiven => TimestampPolicy::AsGiven,
            Mode::ClientPrefer => TimestampPolicy::ClientPrefer,
            Mode::ClientRequire => TimestampPolicy::ClientRequire,
            Mode::Arrival => TimestampPolicy::Arrival,
        }
    }
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Field {
    #[value(alias = "max_age")]
    MaxAge,
    #[value(alias = "max_bytes")]
    MaxBytes,
    #[value(alias = "max_messages")]
    MaxMessages,
    #[value(alias = "keep_unread")]
    KeepUnread,
    #[value(alias = "by_event_time")]
    ByEventTime,
    Compact,
    #[value(alias = "compact_older_than")]
    CompactOlderThan,
    #[value(alias = "delete_on_empty")]
    DeleteOnEmpty,
    Timestamps,
    #[value(alias = "key_index")]
    KeyIndex,
    #[value(alias = "time_index")]
    TimeIndex,
    Durability,
    #[value(alias = "require_token")]
    RequireToken,
}

impl Settings {
    /// The configuration that names what is given.
    pub(super) fn config(&self) -> StreamConfig {
        let removal = &self.removal;
        let mut config = StreamConfig::new();
        config.retention.max_age = removal.max_age;
        config.retention.max_bytes = removal.max_bytes;
        config.retention.max_messages = removal.max_messages;
        config.retention.keep_unread = removal.keep_unread;
        config.retention.by_event_time = removal.by_event_time.then_some(true);
        config.compaction.enabled = removal.compact.then_some(true);
        config.compaction.older_than = removal.compact_older_than;
        config.delete_on_empty = removal.delete_on_empty;
        config.timestamps = self.timestamps.map(|mode| match mode.policy() {
            policy if self.uncapped => policy.uncapped(),
            policy => policy,
        });
        config.key_index = self.key_index.then_some(true);
        config.time_index = self.time_index.then_some(true);
        config.durability = self.durability;
        config.require_token = self.require_token.then_some(true);
        config
    }

    /// The change to what is given, with these fields back at their defaults.
    pub(super) fn patch(&self, cleared: &[Field]) -> Result<StreamPatch, Failure> {
        let config = self.config();
        let mut patch = StreamPatch::new();
        patch.retention.max_age = to_patch(config.retention.max_age);
        patch.retention.max_bytes = to_patch(config.retention.max_bytes);
        patch.retention.max_messages = to_patch(config.retention.max_messages);
        patch.retention.keep_unread = to_patch(config.retention.keep_unread);
        patch.retention.by_event_time = to_patch(config.retention.by_event_time);
        patch.compaction.enabled = to_patch(config.compaction.enabled);
        patch.compaction.older_than = to_patch(config.compaction.older_than);
        patch.delete_on_empty = to_patch(config.delete_on_empty);
        patch.timestamps = to_patch(config.timestamps);
        patch.key_index = to_patch(config.key_index);
        patch.time_index = to_patch(config.time_index);
        patch.durability = to_patch(config.durability);
        patch.require_token = to_patch(config.require_token);
        for field in cleared {
            if !clear_field(&mut patch, *field) {
                let name = name_of(field);
                return Err(Failure::Usage(format!(
                    "--{name} and --clear {name} exclude each other"
                )));
            }
        }
        Ok(patch)
    }
}

fn to_patch<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}

/// Clears a setting; false if it is set.
fn clear_field(patch: &mut StreamPatch, field: Field) -> bool {
    match field {
        Field::MaxAge => clear(&mut patch.retention.max_age),
        Field::MaxBytes => clear(&mut patch.retention.max_bytes),
        Field::MaxMessages => clear(&mut patch.retention.max_messages),
        Field::KeepUnread => clear(&mut patch.retention.keep_unread),
        Field::ByEventTime => clear(&mut patch.retention.by_event_time),
        Field::Compact => clear(&mut patch.compaction.enabled),
        Field::CompactOlderThan => clear(&mut patch.compaction.older_than),
        Field::DeleteOnEmpty => clear(&mut patch.delete_on_empty),
        Field::Timestamps => clear(&mut patch.timestamps),
        Field::KeyIndex => clear(&mut patch.key_index),
        Field::TimeIndex => clear(&mut patch.time_index),
        Field::Durability => clear(&mut patch.durability),
        Field::RequireToken => clear(&mut patch.require_token),
    }
}

/// Clears a value; false if it is set.
fn clear<T>(patch: &mut Patch<T>) -> bool {
    if matches!(patch, Patch::Set(_)) {
        return false;
    }
    *patch = Patch::Clear;
    true
}

/// The name of a value on the command line.
fn name_of(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn durability(text: &str) -> Result<Durability, String> {
    match text.split_once(':') {
        None if text == "os" => Ok(Durability::Os),
        None if text == "each-publish" => Ok(Durability::EachPublish),
        Some(("interval", age)) => match humantime::parse_duration(age) {
            Ok(age) => Ok(Durability::Interval(age)),
            Err(error) => Err(format!("{age:?} is not an age such as 100ms: {error}")),
        },
        Some(("bytes", bytes)) => size::parse(bytes).map(Durability::Bytes),
        _ => Err("neither os, each-publish, interval:AGE nor bytes:N".to_owned()),
    }
}

pub(super) const CONFIG_HELP: &str = "\
The configuration is an object:

  {\"name\":\"orders\",\"partitions\":4,\"max_age\":\"7days\",\"max_bytes\":null,\"max_messages\":null,\
\"keep_unread\":null,\"by_event_time\":false,\"compact\":false,\"compact_older_than\":null,\
\"delete_on_empty\":null,\"timestamps\":\"as-given\",\"uncapped\":false,\"durability\":\"os\",\"key_index\":true,\
\"time_index\":false,\"require_token\":false}

Values are as the options take them; null is no limit, \
or never.";

/// The configuration of a stream in the form in which it is printed.
#[derive(Serialize)]
pub(super) struct Config<'a> {
    name: &'a str,
    partitions: u32,
    #[serde(flatten)]
    kept: Kept,
    #[serde(flatten)]
    times: Times,
    durability: String,
    key_index: bool,
    time_index: bool,
    require_token: bool,
}

/// Which messages are kept.
#[derive(Serialize)]
struct Kept {
    max_age: Option<String>,
    max_bytes: Option<u64>,
    max_messages: Option<u64>,
    keep_unread: Option<u64>,
    by_event_time: bool,
    compact: bool,
    compact_older_than: Option<String>,
    delete_on_empty: Option<String>,
}

/// Which times messages get.
#[derive(Serialize)]
struct Times {
    timestamps: String,
    uncapped: bool,
}

impl Config<'_> {
    pub(super) fn new<'a>(name: &'a str, config: &StreamConfig) -> Config<'a> {
        let retention = &config.retention;
        Config {
            name,
            partitions: config.partitions.unwrap_or(1),
            kept: Kept {
                max_age: retention.max_age.map(duration_text),
                max_bytes: retention.max_bytes,
                max_messages: retention.max_messages,
                keep_unread: retention.keep_unread,
                by_event_time: retention.by_event_time.unwrap_or_default(),
                compact: config.compaction.enabled.unwrap_or_default(),
                compact_older_than: config.compaction.older_than.map(duration_text),
                delete_on_empty: config.delete_on_empty.map(duration_text),
            },
            times: Times::new(config.timestamps.unwrap_or_default()),
            durability: durability_text(config.durability.unwrap_or_default()),
            key_index: config.key_index.unwrap_or_default(),
            time_index: config.time_index.unwrap_or_default(),
            require_token: config.require_token.unwrap_or_default(),
        }
    }
}

impl Times {
    fn new(policy: TimestampPolicy) -> Times {
        let is_it = |mode: &&Mode| [mode.policy(), mode.policy().uncapped()].contains(&policy);
        let mode = Mode::value_variants().iter().find(is_it);
        Times {
            timestamps: mode.map_or_else(String::new, name_of),
            uncapped: mode.is_some_and(|mode| policy != mode.policy()),
        }
    }
}

fn durability_text(durability: Durability) -> String {
    match durability {
        Durability::Os => "os".to_owned(),
        Durability::EachPublish => "each-publish".to_owned(),
        Durability::Interval(interval) => format!("interval:{}", duration_text(interval)),
        Durability::Bytes(bytes) => format!("bytes:{bytes}"),
        _ => "unknown".to_owned(),
    }
}

/// A duration as one word, such as `1h30m`.
fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed can be given as an option.
    #[test]
    fn durabilities_and_modes_are_printed_as_they_are_given() {
        for text in [
            "os",
            "each-publish",
            "interval:100ms",
            "interval:1h30m",
            "bytes:65536",
        ] {
            let parsed = durability(text).expect(text);
            assert_eq!(durability(&durability_text(parsed)), Ok(parsed));
            assert!(!durability_text(parsed).contains(' '));
        }
        for text in [
            "",
            "none",
            "interval",
            "interval:",
            "interval:5",
            "bytes:",
            "bytes:x",
            "os:1",
        ] {
            durability(text).expect_err(text);
        }
        for mode in Mode::value_variants() {
            for (policy, uncapped) in [(mode.policy(), false), (mode.policy().uncapped(), true)] {
                let times = Times::new(policy);
                assert_eq!((times.timestamps, times.uncapped), (name_of(mode), uncapped));
            }
        }
    }

    #[test]
    fn durations_are_printed_whole() {
        let seconds = Duration::from_secs;
        for duration in [
            seconds(7 * 86_400),
            seconds(400 * 86_400 + 1),
            Duration::from_micros(1_000_001),
            seconds(u32::MAX.into()),
        ] {
            assert_eq!(humantime::parse_duration(&duration_text(duration)), Ok(duration));
        }
    }
}
