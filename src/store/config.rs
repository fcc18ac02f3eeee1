//! How a stream is kept, and how that is changed.

use std::time::Duration;

use super::settings::{Patch, Value, put_field, settings, take_fields};
use crate::{Durability, Error, Options, Result, Retention, TimestampPolicy, Token, compact};

settings! {
    /// How a stream is kept. What is not named is as the [store's
    /// defaults](super::StoreOptions::defaults) have it when the stream is made; changing the
    /// defaults later touches no stream.
    ///
    /// ```
    /// use std::time::Duration;
    /// use duramen::store::{RetentionConfig, StreamConfig};
    ///
    /// let week = Duration::from_secs(7 * 86_400);
    /// let config = StreamConfig::new()
    ///     .partitions(4)
    ///     .key_index(true)
    ///     .retention(RetentionConfig::new().max_age(week));
    /// assert_eq!(config.partitions, Some(4));
    /// ```
    StreamConfig
    /// A change to how a stream is kept; see [`Store::reconfigure`](super::Store::reconfigure).
    ///
    /// ```
    /// use duramen::store::{Patch, RetentionPatch, StreamPatch};
    ///
    /// let patch = StreamPatch::new()
    ///     .key_index(true)
    ///     .retention(RetentionPatch::new().max_age(Patch::Clear));
    /// assert_eq!(patch.key_index, Patch::Set(true));
    /// ```
    StreamPatch
    fixed {
        /// The number of partitions, from 1 to
        /// [`PARTITIONS_MAX`](StreamConfig::PARTITIONS_MAX). It is fixed when the stream is made.
        /// Default: 1.
        1 partitions: u32,
        /// Who asks for the stream: [`Store::create`](super::Store::create) for a name that has a
        /// stream succeeds if that was made with the same token and the same configuration.
        /// Default: none; it fails.
        8 request_token: Token,
    }
    settings {
        /// Which times messages get: see [`Options::timestamps`]. Default: `AsGiven`.
        2 timestamps: TimestampPolicy,
        /// When messages become durable. Default: [`Durability::Os`].
        3 durability: Durability,
        /// Whether the partitions have a key index: see [`Options::key_index`]. Default: false.
        4 key_index: bool,
        /// Whether the partitions have a time index: see [`Options::time_index`]. Default: false.
        5 time_index: bool,
        /// Whether a publish needs a token while a partition has one: see
        /// [`Options::require_token`]. Default: false.
        6 require_token: bool,
        /// Delete the stream once it has no messages, and has not been written to for so long;
        /// [`Duration::ZERO`]: never. Control records do not count as messages. It is looked at a
        /// few times in this span, at least once a minute and at most once a second. Needs the
        /// [background](Options::background). Default: never.
        7 delete_on_empty: Duration,
    }
    groups {
        /// Which messages the partitions keep.
        retention: RetentionConfig, RetentionPatch;
        /// Whether superseded messages are removed.
        compaction: CompactionConfig, CompactionPatch;
    }
}

settings! {
    /// Which messages each partition of a stream keeps: see [`Retention`]. The limits hold for a
    /// partition that is closed because nobody uses it, too: the [background](Options::background)
    /// opens it when something is due.
    RetentionConfig
    /// A change to the retention of a stream.
    RetentionPatch
    fixed {}
    settings {
        /// Keep messages for so long after they were published; [`Duration::MAX`]: for ever.
        /// Default: for ever.
        16 max_age: Duration,
        /// Keep as many of the newest messages as take at most so many bytes; [`u64::MAX`]: all.
        /// Default: all.
        17 max_bytes: u64,
        /// Keep so many of the newest messages; [`u64::MAX`]: all. Default: all.
        18 max_messages: u64,
        /// Keep what exceeds a limit, but was not read by all of the stream's stored
        /// [cursors](super::Store::cursors) and work queues: see [`Retention::keep_unread`]. The
        /// number is the largest lag, in offsets: what is further behind the end goes all the same,
        /// and the event [`Overrun`](super::StreamEventKind::Overrun) tells. [`u64::MAX`]: no limit
        /// to the lag. Default: who has read what does not matter.
        20 keep_unread: u64,
        /// Let the age count from the times of the messages: see [`Retention::by_event_time`].
        /// Default: false.
        19 by_event_time: bool,
    }
    groups {}
}

settings! {
    /// Whether the partitions of a stream are [compacted](mod@crate::compact) in the background:
    /// messages that later ones of the same key have superseded are removed, and tombstones that
    /// cover nothing. Needs the [background](Options::background) and a
    /// [key index](StreamConfig::key_index).
    ///
    /// A partition is compacted when half of its messages are new since the last time, and when a
    /// tenth of them are and nobody uses it. It is looked at once a minute.
    CompactionConfig
    /// A change to the compaction of a stream.
    CompactionPatch
    fixed {}
    settings {
        /// Whether the partitions are compacted. Default: false.
        24 enabled: bool,
        /// Remove only messages that were published so long ago: see
        /// [`older_than`](crate::compact::Settings::older_than). Default: no time at all, and 24
        /// hours for tombstones.
        25 older_than: Duration,
    }
    groups {}
}

impl CompactionConfig {
    /// How the partitions are compacted, if they are.
    pub(super) fn settings(&self) -> Option<compact::Settings> {
        let settings = compact::Settings::new();
        self.enabled.unwrap_or_default().then(|| match self.older_than {
            Some(age) => settings.older_than(age),
            None => settings,
        })
    }
}

impl StreamConfig {
    /// The most partitions that a stream may have: 1,024.
    pub const PARTITIONS_MAX: u32 = 1024;

    /// What holds where neither the configuration nor the store's defaults name a setting. Limits
    /// of retention that nobody names stay unnamed.
    fn built_in() -> StreamConfig {
        StreamConfig {
            partitions: Some(1),
            request_token: None,
            timestamps: Some(TimestampPolicy::default()),
            durability: Some(Durability::default()),
            key_index: Some(false),
            time_index: Some(false),
            require_token: Some(false),
            delete_on_empty: None,
            retention: RetentionConfig::new().by_event_time(false),
            compaction: CompactionConfig::new().enabled(false),
        }
    }

    /// The configuration that a stream gets which is made with this one: every setting is named
    /// that has a value.
    pub(super) fn effective(&self, defaults: &StreamConfig) -> Result<StreamConfig> {
        self.or(defaults).completed()
    }

    /// The configuration that a stream with this one gets by a patch.
    pub(super) fn after(&self, patch: &StreamPatch, defaults: &StreamConfig) -> Result<StreamConfig> {
        self.patched(patch, defaults).completed()
    }

    fn completed(self) -> Result<StreamConfig> {
        let mut config = self.or(&StreamConfig::built_in());
        config.request_token = None;
        config.delete_on_empty = config.delete_on_empty.filter(|age| !age.is_zero());
        let retention = &mut config.retention;
        retention.max_age = retention.max_age.filter(|age| *age != Duration::MAX);
        retention.max_bytes = retention.max_bytes.filter(|bytes| *bytes != u64::MAX);
        retention.max_messages = retention.max_messages.filter(|count| *count != u64::MAX);
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if !(1..=StreamConfig::PARTITIONS_MAX).contains(&self.partition_count()) {
            return Err(Error::Invalid("a stream has from 1 to 1,024 partitions"));
        }
        if self.compaction.settings().is_some() && self.key_index != Some(true) {
            return Err(Error::Invalid("compaction needs a key index"));
        }
        Ok(())
    }

    pub(super) fn partition_count(&self) -> u32 {
        self.partitions.unwrap_or(1)
    }

    /// Which messages the partitions keep.
    pub(super) fn policy(&self) -> Retention {
        let mut retention = Retention::new().by_event_time(self.retention.by_event_time.unwrap_or_default());
        if let Some(age) = self.retention.max_age {
            retention = retention.max_age(age);
        }
        if let Some(bytes) = self.retention.max_bytes {
            retention = retention.max_bytes(bytes);
        }
        if let Some(messages) = self.retention.max_messages {
            retention = retention.max_messages(messages);
        }
        if let Some(lag_max) = self.retention.keep_unread {
            retention = retention.keep_unread(lag_max);
        }
        retention
    }

    /// These options, as a partition with this configuration is opened by.
    pub(super) fn apply_to(&self, options: Options) -> Options {
        options
            .key_index(self.key_index.unwrap_or_default())
            .time_index(self.time_index.unwrap_or_default())
            .durability(self.durability.unwrap_or_default())
            .timestamps(self.timestamps.unwrap_or_default())
            .require_token(self.require_token.unwrap_or_default())
            .retention(self.policy())
    }

    /// The stored form.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }

    /// The configuration with this stored form; `None` if it is damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<StreamConfig> {
        let mut config = StreamConfig::new();
        take_fields(bytes, |tag, field| config.take(tag, field)?.then_some(()))?;
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A configuration that names every setting.
    fn full() -> StreamConfig {
        StreamConfig {
            partitions: Some(7),
            request_token: None,
            timestamps: Some(TimestampPolicy::Arrival.uncapped()),
            durability: Some(Durability::Interval(HOUR)),
            key_index: Some(true),
            time_index: Some(true),
            require_token: Some(true),
            delete_on_empty: Some(HOUR),
            retention: RetentionConfig::new()
                .max_age(HOUR)
                .max_bytes(8)
                .max_messages(9)
                .by_event_time(true),
            compaction: CompactionConfig::new().enabled(true).older_than(HOUR),
        }
    }

    #[test]
    fn what_is_stored_is_read_again() {
        for config in [StreamConfig::new(), full(), StreamConfig::built_in()] {
            assert_eq!(StreamConfig::from_bytes(&config.to_bytes()), Some(config));
        }
        let asked = StreamConfig::new().request_token("who".parse().expect("a token"));
        assert_eq!(StreamConfig::from_bytes(&asked.to_bytes()), Some(asked));
        for durability in [
            Durability::Os,
            Durability::EachPublish,
            Durability::Bytes(3),
            Durability::Interval(Duration::MAX),
        ] {
            let config = StreamConfig::new().durability(durability);
            assert_eq!(StreamConfig::from_bytes(&config.to_bytes()), Some(config));
        }
        let bytes = full().to_bytes();
        let cut = (0..bytes.len()).filter(|len| StreamConfig::from_bytes(&bytes[..*len]).is_some());
        // At the ends of fields only.
        assert_eq!(cut.count(), 13);
        assert_eq!(StreamConfig::from_bytes(&[99, 0, 0]), None, "no such setting");
    }

    #[test]
    fn what_is_not_named_comes_from_the_defaults_and_then_from_here() -> Result<()> {
        let none = StreamConfig::new().effective(&StreamConfig::new())?;
        assert_eq!(none, StreamConfig::built_in());
        assert_eq!(StreamConfig::new().effective(&full())?, full());
        let named = StreamConfig::new().partitions(2).time_index(false);
        let effective = named.effective(&full())?;
        assert_eq!(
            (effective.partitions, effective.time_index),
            (Some(2), Some(false))
        );
        assert_eq!(effective.retention, full().retention);
        Ok(())
    }

    #[test]
    fn a_limit_of_the_defaults_can_be_overridden_by_none() -> Result<()> {
        let unlimited = RetentionConfig::new()
            .max_age(Duration::MAX)
            .max_bytes(u64::MAX)
            .max_messages(u64::MAX);
        let unlimited = StreamConfig::new()
            .retention(unlimited)
            .delete_on_empty(Duration::ZERO);
        let effective = unlimited.effective(&full())?;
        assert_eq!(effective.retention, RetentionConfig::new().by_event_time(true));
        assert_eq!(effective.delete_on_empty, None);
        Ok(())
    }

    #[test]
    fn a_patch_keeps_clears_and_sets() -> Result<()> {
        let defaults = StreamConfig::new().durability(Durability::EachPublish);
        let patch = StreamPatch::new()
            .durability(Patch::Clear)
            .time_index(false)
            .retention(RetentionPatch::new().max_age(Patch::Clear).max_bytes(5));
        let after = full().after(&patch, &defaults)?;
        let expected = StreamConfig {
            durability: Some(Durability::EachPublish),
            time_index: Some(false),
            retention: RetentionConfig {
                max_age: None,
                max_bytes: Some(5),
                ..full().retention
            },
            ..full()
        };
        assert_eq!(after, expected);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |config: StreamConfig| {
            let refused = config.effective(&StreamConfig::new());
            assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        };
        refused(StreamConfig::new().partitions(0));
        refused(StreamConfig::new().partitions(StreamConfig::PARTITIONS_MAX + 1));
        refused(StreamConfig::new().compaction(CompactionConfig::new().enabled(true)));
    }
}
