//! What a store should hold, and what one does hold.

use std::collections::BTreeMap;

use duramen::fault::SimDisk;
use duramen::store::{ListOptions, Store, StoreOptions};
use duramen::{Error, Log, Options, Start};

use crate::verdict::{Verdict, ensure};

pub(crate) const DIR: &str = "/store";

/// A store, by the names of its streams.
pub(crate) type State = BTreeMap<&'static str, Stream>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Whether messages are durable when they are published.
    pub(crate) is_durable: bool,
    /// Whether it was reconfigured.
    pub(crate) has_time_index: bool,
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) messages: Vec<Message>,
    pub(crate) is_sealed: bool,
    pub(crate) is_paused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) text: String,
    /// Whether it is on stable storage.
    pub(crate) is_durable: bool,
}

pub(crate) fn options(disk: &SimDisk) -> StoreOptions {
    let log = Options::new().background(false).rollover(16 << 10).storage(disk);
    StoreOptions::new().create_dirs(true).log(log)
}

pub(crate) fn told(error: &Error) -> String {
    format!("{error} ({error:?})")
}

/// Compares a store with what it should hold. After a power cut, messages that were not durable may be missing.
pub(crate) fn compare(store: &Store, wanted: &State, is_lossless: bool) -> Verdict<()> {
    let page = store.list(&ListOptions::new()).map_err(|error| told(&error))?;
    let names: Vec<_> = page.items.iter().map(|info| info.name.as_str()).collect();
    ensure!(
        names.iter().eq(wanted.keys()),
        "streams: {names:?} instead of {:?}",
        wanted.keys()
    );
    for (name, stream) in wanted {
        compare_stream(store, name, stream, is_lossless).map_err(|text| format!("stream {name}: {text}"))?;
    }
    Ok(())
}

fn compare_stream(store: &Store, name: &str, wanted: &Stream, is_lossless: bool) -> Verdict<()> {
    let config = store.config(name).map_err(|error| told(&error))?;
    ensure!(
        config.time_index == Some(wanted.has_time_index),
        "time index: {:?}",
        config.time_index
    );
    let stream = store.stream(name).map_err(|error| told(&error))?;
    let info = stream.info().map_err(|error| told(&error))?;
    for (number, partition) in (0..).zip(&wanted.partitions) {
        ensure!(
            info.sealed.contains(&number) == partition.is_sealed,
            "sealed: {:?}",
            info.sealed
        );
        ensure!(
            info.paused.contains(&number) == partition.is_paused,
            "paused: {:?}",
            info.paused
        );
        let log = stream.partition(number).map_err(|error| told(&error))?;
        if partition.is_paused {
            let refused = log.consume(Start::Oldest, 1);
            ensure!(matches!(refused, Err(Error::Paused { .. })), "read: {refused:?}");
            continue;
        }
        if partition.messages.is_empty() && !partition.is_sealed {
            // Nothing need have been made; a look would make it.
            continue;
        }
        let is_sealed = log.is_sealed().map_err(|error| told(&error))?;
        ensure!(is_sealed == partition.is_sealed, "the log is sealed: {is_sealed}");
        let found = log.consume(Start::Oldest, 1000).map_err(|error| told(&error))?;
        let found = found.messages.into_iter();
        let found: Vec<_> = found
            .map(|message| String::from_utf8_lossy(&message.value.unwrap_or_default()).into_owned())
            .collect();
        let is_strict = is_lossless || wanted.is_durable;
        are_there(&partition.messages, &found, is_strict)
            .map_err(|text| format!("partition {number}: {text}"))?;
    }
    Ok(())
}

/// Whether what was found is what was published, in order, without what may be lost.
fn are_there(wanted: &[Message], found: &[String], is_strict: bool) -> Verdict<()> {
    let mut left = found.iter().peekable();
    for message in wanted {
        if left.peek().is_some_and(|next| **next == message.text) {
            left.next();
        } else {
            ensure!(
                !is_strict && !message.is_durable,
                "{} is lost: {found:?} of {wanted:?}",
                message.text
            );
        }
    }
    ensure!(
        left.next().is_none(),
        "nobody published that: {found:?} of {wanted:?}"
    );
    Ok(())
}
