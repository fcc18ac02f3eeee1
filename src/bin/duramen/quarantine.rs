//! `duramen recover --from-quarantine`: bringing messages back that recovery cut off.
//!
//! The messages are published anew, behind the end of the log: their own offsets may lie in the
//! middle of segments, and no offset is given out twice. A file that was brought back goes to the
//! subfolder `returned` of the quarantine. If the command is killed before that, the log knows the
//! batches that it has by their producer, a number made from the file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use duramen::{FileLog, Log as _, Message, NewMessage, PublishOptions, Start, metered_size};

use crate::failure::Failure;
use crate::open;
use crate::output::Output;
use crate::streams::tell;

/// The subfolder of a log for what recovery cut off, and the one in it for what came back.
const QUARANTINE: &str = "quarantine";
const RETURNED: &str = "returned";

/// A batch ends when it has so many bytes.
const BATCH_LEN: u64 = 64 << 20;

/// A file of the quarantine.
#[derive(Serialize)]
struct Source {
    path: String,
    /// The messages that could be read in the file, and those of them that were published.
    readable: u64,
    returned: u64,
    /// The old and the new offset of each message that was published. There is no new one in a dry
    /// run.
    offsets: Vec<(u64, Option<u64>)>,
    /// Why nothing in the file can be read.
    error: Option<String>,
}

#[derive(Serialize)]
struct Report {
    files: Vec<Source>,
    returned: u64,
}

/// Brings back what is in the quarantine of the log in `dir`, or only says what that would be.
pub(crate) fn run(dir: &Path, dry_run: bool, json: bool) -> Result<(), Failure> {
    let log = open::existing(dir, dry_run)?;
    let folder = dir.join(QUARANTINE);
    let mut seen = HashSet::new();
    let mut report = Report {
        files: Vec::new(),
        returned: 0,
    };
    let files = files(&folder)?;
    for path in &files {
        let file = bring_back(&log, path, dry_run, &mut seen)?;
        report.returned += file.returned;
        report.files.push(file);
    }
    log.close()?;
    // The last one goes first. So those that a kill leaves are the first ones, and of these the
    // next run makes the same batches, which the log knows: what a file lacks depends on those in
    // front of it.
    for (path, file) in files.iter().zip(&report.files).rev() {
        if !dry_run && file.error.is_none() {
            set_aside(&folder, path)?;
        }
    }
    print(&report, dry_run, json)
}

fn print(report: &Report, dry_run: bool, json: bool) -> Result<(), Failure> {
    let mut output = Output::stdout();
    if json {
        output.json(report)?;
    } else {
        for file in &report.files {
            for (old, new) in &file.offsets {
                match new {
                    Some(new) => output.line(format_args!("{}: offset {old} is {new} now", file.path))?,
                    None => output.line(format_args!("{}: offset {old}", file.path))?,
                }
            }
        }
    }
    output.flush()?;
    for file in &report.files {
        if let Some(error) = &file.error {
            tell(format_args!("duramen: {}: {error}", file.path));
        }
    }
    let what = if dry_run {
        "would be published anew"
    } else {
        "published anew"
    };
    tell(format_args!(
        "{} messages of {} files {what}",
        report.returned,
        report.files.len()
    ));
    Ok(())
}

/// The files of the quarantine, in the order of their offsets.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in Failure::at("list", folder, fs::read_dir(folder))? {
        let entry = Failure::at("list", folder, entry)?;
        if Failure::at("look at", folder, entry.file_type())?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort_by_key(|path| order(path));
    Ok(files)
}

/// The base of a segment, the place of a cut in it, and the name.
fn order(path: &Path) -> (String, u64, String) {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut parts = name.split('.');
    let base = parts.next().unwrap_or_default().to_owned();
    let position = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    (base, position, name)
}

/// Publishes the messages of a file that are not in the log.
fn bring_back(
    log: &FileLog,
    path: &Path,
    dry_run: bool,
    seen: &mut HashSet<(u64, u64)>,
) -> Result<Source, Failure> {
    let mut file = Source {
        path: path.to_string_lossy().into_owned(),
        readable: 0,
        returned: 0,
        offsets: Vec::new(),
        error: None,
    };
    let mut messages = match duramen::messages_in(path) {
        Ok(messages) => messages,
        Err(error) => {
            file.error = Some(error.to_string());
            return Ok(file);
        }
    };
    file.readable = messages.len() as u64;
    let producer = producer_of(path, &messages);
    // A recovery that was killed has copied bytes that it kept, or copied them twice.
    messages.retain(|message| seen.insert((message.offset, fingerprint(message))));
    let mut missing = Vec::with_capacity(messages.len());
    for message in messages {
        if !is_in(log, &message)? {
            missing.push(message);
        }
    }
    file.returned = missing.len() as u64;
    if dry_run {
        file.offsets = missing.iter().map(|message| (message.offset, None)).collect();
        return Ok(file);
    }
    for (number, batch) in (1..).zip(batches(&missing)) {
        let new: Vec<NewMessage<'_>> = batch.iter().map(Message::as_new).collect();
        let how = PublishOptions::new().producer(producer, number);
        let ack = log.append(&new, &how)?;
        if ack.end.offset - ack.start.offset != batch.len() as u64 {
            return Err(Failure::Mismatch(format!(
                "{}: a part of this was brought back before, with other messages",
                path.display()
            )));
        }
        let offsets = batch.iter().map(|message| message.offset);
        file.offsets.extend(offsets.zip((ack.start.offset..).map(Some)));
    }
    log.sync()?;
    Ok(file)
}

/// Whether the log has this very message under its offset.
fn is_in(log: &FileLog, message: &Message) -> Result<bool, Failure> {
    match log.get(Start::At(message.offset)) {
        Ok(found) => Ok(found == *message),
        Err(duramen::Error::NotFound | duramen::Error::OffsetOutOfRange { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Cuts messages into batches, always in the same way.
fn batches(mut messages: &[Message]) -> Vec<&[Message]> {
    let mut batches = Vec::new();
    while !messages.is_empty() {
        let mut len = 0;
        let count = messages.iter().take_while(|message| {
            let is_in = len < BATCH_LEN;
            len += metered_size(&message.as_new());
            is_in
        });
        let (batch, rest) = messages.split_at(count.count());
        batches.push(batch);
        messages = rest;
    }
    batches
}

/// Moves a file that was brought back out of the way.
fn set_aside(folder: &Path, path: &Path) -> Result<(), Failure> {
    let returned = folder.join(RETURNED);
    Failure::at("create", &returned, fs::create_dir_all(&returned))?;
    let name = path.file_name().unwrap_or_default();
    let mut to = returned.join(name);
    let mut number = 1;
    while to.exists() {
        let mut numbered = name.to_owned();
        numbered.push(format!(".{number}"));
        to = returned.join(numbered);
        number += 1;
    }
    Failure::at("rename", path, fs::rename(path, &to))?;
    for changed in [&returned, folder] {
        let synced = File::open(changed).and_then(|changed| changed.sync_all());
        Failure::at("sync", changed, synced)?;
    }
    Ok(())
}

/// A number that tells a file of the quarantine from others, by its name and its messages.
fn producer_of(path: &Path, messages: &[Message]) -> u64 {
    let mut hash = Fnv::new();
    hash.add(path.file_name().unwrap_or_default().as_encoded_bytes());
    for message in messages {
        hash.add(&message.offset.to_le_bytes());
        hash.add(&fingerprint(message).to_le_bytes());
    }
    hash.0
}

/// A number made from what a message holds.
fn fingerprint(message: &Message) -> u64 {
    let mut hash = Fnv::new();
    hash.add(&message.time.as_micros().to_le_bytes());
    for part in [&message.key, &message.value] {
        hash.add(
            &part
                .as_ref()
                .map_or(u64::MAX, |part| part.len() as u64)
                .to_le_bytes(),
        );
        hash.add(part.as_deref().unwrap_or_default());
    }
    for (name, value) in &message.headers {
        for part in [name, value] {
            hash.add(&(part.len() as u64).to_le_bytes());
            hash.add(part);
        }
    }
    hash.0
}

/// The hash FNV-1a, which is the same in every version of this tool.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
