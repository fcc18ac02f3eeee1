//! A store: a directory of named, partitioned streams.
//!
//! Each partition of a stream is a [`Log`](crate::Log); the store adds no second way to write one.
//! What it adds: names, configuration, deletion, and partitions that are open only while they are
//! used.
//!
//! It is new: `docs/streams.md` in the sources says what is not there yet.

mod access;
mod assignment;
mod atomic;
mod background;
mod catalog;
mod check;
mod compacting;
mod compactor;
mod config;
mod copying;
mod counters;
mod cursors;
mod entry;
mod event;
mod events;
mod floors;
mod follow;
mod group;
mod handle;
mod info;
mod inner;
mod intents;
mod keeper;
mod keeping;
mod layout;
mod metrics;
mod name;
mod names;
mod open_partitions;
mod opening;
mod options;
mod partition_log;
mod partitioner;
mod queues;
mod readers;
mod record;
mod recover;
mod report;
mod restore;
mod settings;
mod slot;
mod states;
mod stream;
mod survey;
mod telling;
mod typed;
mod upcoming;

pub use crate::types::StreamId;
pub use check::check;
pub use config::{
    CompactionConfig, CompactionPatch, RetentionConfig, RetentionPatch, StreamConfig, StreamPatch,
};
pub use event::{StreamEvent, StreamEventKind};
pub use events::Events;
pub use follow::{StreamFollow, StreamMessage, StreamStop};
pub use group::{Group, GroupMessage, Member};
pub use handle::Store;
pub use info::{Ensured, ListOptions, Page, StreamInfo};
pub use metrics::{Metrics, Rejected};
pub use options::StoreOptions;
pub use partition_log::PartitionLog;
pub use partitioner::{Partitioner, Partitions};
pub use recover::recover;
pub use report::{
    PartitionReport, StoreBackupReport, StoreCheckReport, StoreProblem, StoreProblemKind, StoreRecoverReport,
};
pub use restore::restore;
pub use settings::Patch;
pub use stream::Stream;
pub use typed::{TStream, TStreamFollow};
