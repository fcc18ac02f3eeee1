//! Damage met by a writer, who repairs what is derived, cuts what is torn, and goes on.

use std::collections::BTreeMap;
use std::path::Path;

use duramen::{Log, NewMessage, Options, check};
use fastrand::Rng;

use super::damage::{self, Damage};
use super::frames;
use super::oracle::{Depth, examine, is_corrupt, without_panic};
use super::readers::reader;
use super::subject::{self, Subject};
use crate::common::{Item, fast_dir, files_of, number, seed, with_messages, write_files};
use crate::verdict::Verdict;

/// Goal: opening a damaged log for writing loses nothing durable, gives no offset out twice, changes nothing when it
/// refuses, and leaves a log that is in order when it does not. Method: random damage to each small log; open, compare,
/// publish, close, open again; without and with the option to recover.
#[test]
fn a_writer_refuses_or_goes_on_safely() {
    let seed = seed("bitflips, writers");
    let mut failures = Vec::new();
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for subject in &subject::all(seed) {
        let mut random = Rng::with_seed(seed);
        let damages = damage::all(subject, 97);
        for _ in 0..number("DURAMEN_BITS_WRITERS", 50) {
            let at = random.usize(..damages.len());
            for recover in [false, true] {
                match without_panic(|| write(subject, &damages[at], recover)) {
                    Ok(outcome) => *counts.entry((subject.name, recover, outcome)).or_default() += 1,
                    Err(wrong) => {
                        let name = &subject.files[damages[at].file].0;
                        failures.push(format!(
                            "{}: {name}: {}: recover {recover}: {wrong}",
                            subject.name, damages[at]
                        ));
                    }
                }
            }
        }
    }
    for ((name, recover, outcome), count) in counts {
        println!("{count:>8}  {name}, recover {recover}: {outcome}");
    }
    failures.iter().take(20).for_each(|failure| println!("{failure}"));
    assert!(failures.is_empty(), "{} times a writer did harm", failures.len());
}

fn write(subject: &Subject, damage: &Damage, recover: bool) -> Verdict<&'static str> {
    let home = fast_dir();
    let mut files = subject.files.clone();
    damage.what.apply(&mut files[damage.file].1);
    write_files(home.path(), &files);
    let options = subject.options.clone().background(false).recover(recover);
    let log = match options.open(home.path()) {
        Ok(log) => log,
        Err(error) => {
            is_corrupt(&error, home.path())?;
            return if !recover && files_of(home.path()) != files {
                Err(format!("refuses ({error}), but changes something"))
            } else {
                Ok("refused")
            };
        }
    };
    let seen = examine_prefix(subject, &log, home.path(), recover)?;
    let proven = frames::proven(
        subject,
        damage.file,
        &damage.what.range(subject.files[damage.file].1.len()),
    );
    let next = log.next_offset().map_err(|error| error.to_string())?;
    if !recover && seen < proven || next < proven {
        return Err(format!(
            "ends at {seen} and goes on at {next}, but {proven} was durable"
        ));
    }
    let epoch = log.stat().map_or(1, |stats| stats.epoch);
    // Where all evidence is gone nobody can know that something was lost.
    if next < subject.model.len() as u64 && next >= subject.acknowledged && epoch == 0 {
        return Err(format!("goes on at {next} in the same epoch"));
    }
    let published = log
        .publish(&[NewMessage::new(b"key-1", b"after")])
        .map_err(|error| format!("publish: {error}"))?;
    if published != next + 1 {
        return Err(format!("publishes at {published}, not {next}"));
    }
    log.close().map_err(|error| format!("close: {error}"))?;
    reopen(&options, home.path(), next)?;
    Ok(if seen == subject.model.len() as u64 {
        "whole"
    } else {
        "shorter"
    })
}

/// How many messages of the model are there; what lies between them and the next offset must be a gap.
fn examine_prefix(subject: &Subject, log: &duramen::FileLog, dir: &Path, recover: bool) -> Verdict<u64> {
    let next = log.next_offset().map_err(|error| error.to_string())?;
    if !recover {
        return examine(log, &subject.model, dir, Depth::Once).map(|seen| seen.next_offset);
    }
    // With gaps the model does not apply as it is: each message that can be had is right.
    let mut seen = 0;
    for (offset, item) in (0..next).zip(&subject.model) {
        match log.get(offset.into()) {
            Ok(message) if item.is(offset, &message) => seen = offset + 1,
            Ok(message) => return Err(format!("get {offset}: {message:?}")),
            Err(duramen::Error::NotFound) => {}
            Err(error) => is_corrupt(&error, dir)?,
        }
    }
    Ok(seen)
}

/// What the writer left opens by itself and has the new message.
fn reopen(options: &Options, dir: &Path, offset: u64) -> Verdict<()> {
    let log = options.open(dir).map_err(|error| format!("reopen: {error}"))?;
    let found = log
        .get(offset.into())
        .map_err(|error| format!("get what was published: {error}"))?;
    if found.value.as_deref() != Some(b"after") {
        return Err(format!("{found:?} is not what was published"));
    }
    log.close().map_err(|error| format!("second close: {error}"))
}

/// Goal: what a writer repaired stays repaired. Method: index files and one copy of the metadata destroyed, an open
/// that reads everything, and a check.
#[test]
fn a_writer_repairs_what_is_derived() {
    for subject in &subject::all(seed("bitflips, repairs")) {
        let home = fast_dir();
        let mut files = subject.files.clone();
        for (name, bytes) in &mut files {
            if name.contains(".idx") || name == "meta.1" {
                bytes.truncate(bytes.len() / 2);
            }
        }
        write_files(home.path(), &files);
        let log = subject.options.open(home.path()).expect("an open");
        let model: Vec<Item> = subject.model.clone();
        let seen = examine(&log, &model, home.path(), Depth::Full).expect("right answers");
        assert_eq!(
            (seen.next_offset, seen.corrupt),
            (model.len() as u64, 0),
            "{}",
            subject.name
        );
        with_messages(&model[..1], |messages| log.publish(messages)).expect("a publish");
        log.close().expect("a close");
        let report = check(home.path(), &reader(subject)).expect("a check");
        assert!(
            report.is_clean() && report.messages == model.len() as u64 + 1,
            "{}: {report:?}",
            subject.name
        );
    }
}
