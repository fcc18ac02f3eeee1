//! A log whose files were changed in any way behind its back: opened, read, checked, written to, emptied and copied, it
//! may refuse with an error, but not panic, hang, write where it must not, or give back anything that was not published
//! or was removed.

#![no_main]

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use arbitrary::Arbitrary;
use duramen::compact::{self, Settings as Compaction};
use duramen::fuzzing::reseal;
use duramen::{Error, FileLog, Log, Message, NewMessage, Options, Retention, Start};
use duramen_fuzz::{Content, Files, Scratch, read_everything, with_messages};

#[derive(Arbitrary, Debug)]
struct Input {
    batches: Vec<Vec<Content>>,
    /// How many batches are published in each life of the log.
    lives: Vec<u8>,
    flags: u16,
    rollover: u8,
    edits: Vec<Edit>,
    /// What is done to the log if it opens.
    removals: Vec<Removal>,
}

/// Offsets count from the start offset.
#[derive(Arbitrary, Debug)]
enum Removal {
    Delete { from: u16, bits: u16 },
    DeleteRange { from: u16, count: u8 },
    Trim(u16),
    Compact,
    Retain,
    Backup,
    Restore(u16),
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Overwrite {
        file: u8,
        at: u16,
        bytes: Vec<u8>,
    },
    /// A field of a header, or anything else that is aligned.
    Field {
        file: u8,
        at: u8,
        value: Value,
    },
    Flip {
        file: u8,
        bit: u32,
    },
    Truncate {
        file: u8,
        len: u16,
    },
    Append {
        file: u8,
        bytes: Vec<u8>,
    },
    Remove {
        file: u8,
    },
    Rename {
        file: u8,
        to: Name,
    },
    Copy {
        file: u8,
        to: Name,
    },
    Splice {
        from: u8,
        to: u8,
        at: u16,
        len: u16,
    },
    Create {
        name: Name,
        bytes: Vec<u8>,
    },
}

/// A number that is likely to hurt.
#[derive(Arbitrary, Debug)]
enum Value {
    Small(u8),
    U32(u32),
    NearMaximum(u8),
    NearMaximum32(u8),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
enum Name {
    Segment(Base),
    Index(Base),
    SegmentTemporary(Base),
    Meta(bool),
    Prepared,
    Lock,
    Quarantine,
}

#[derive(Arbitrary, Debug)]
enum Base {
    Small(u8),
    NearMaximum(u8),
}

const KEY_INDEX: u16 = 1;
const TIME_INDEX: u16 = 1 << 1;
const KILLED: u16 = 1 << 2;
const RESEALED: u16 = 1 << 3;
const CHECK: u16 = 1 << 4;
const RECOVER: u16 = 1 << 5;
const OTHER_KEY_INDEX: u16 = 1 << 6;
const OTHER_TIME_INDEX: u16 = 1 << 7;
const RETAIN: u16 = 1 << 8;

libfuzzer_sys::fuzz_target!(|input: Input| run(&input));

fn run(input: &Input) {
    let is = |flag| input.flags & flag != 0;
    let options = Options::new()
        .create_dirs(true)
        .background(false)
        .rollover(1024 * (1 + u64::from(input.rollover % 16)))
        .key_index(is(KEY_INDEX))
        .time_index(is(TIME_INDEX));
    let scratch = Scratch::new("dir");
    let (mut files, published) = make(input, &options, &scratch);
    for edit in input.edits.iter().take(12) {
        apply(edit, &mut files);
    }
    if is(RESEALED) {
        files.values_mut().for_each(|bytes| reseal(bytes));
    }
    scratch.write(&files);
    // With checksums put right, anything may come back.
    let published = (!is(RESEALED)).then_some(&published[..]);
    let options = options
        .create_dirs(false)
        .check(is(CHECK))
        .key_index(is(KEY_INDEX) != is(OTHER_KEY_INDEX))
        .time_index(is(TIME_INDEX) != is(OTHER_TIME_INDEX));
    read_only(&options, &scratch, &files, published);
    let mut options = options.recover(is(RECOVER));
    if is(RETAIN) {
        options = options.retention(Retention::new().max_messages(KEPT_MAX));
    }
    Written {
        options,
        may_remove: is(RECOVER) || is(RETAIN),
        scratch: &scratch,
        copies: [Scratch::new("dir-copy"), Scratch::new("dir-restored")],
        published,
    }
    .write(&files, &input.removals);
}

/// How many messages the retention policy keeps.
const KEPT_MAX: u64 = 3;

/// A log that lived a few times; its files, and what was published.
fn make(input: &Input, options: &Options, scratch: &Scratch) -> (Files, Vec<Message>) {
    let mut batches = input.batches.iter().take(24);
    let lives = input.lives.iter().take(3).chain([&u8::MAX]);
    let mut files = Files::new();
    let mut published = Vec::new();
    for life in lives {
        let log = options
            .open(scratch.path())
            .expect("a log that nobody has touched");
        for contents in batches.by_ref().take(usize::from(*life)) {
            let contents = &contents[..contents.len().min(20)];
            with_messages(contents, |messages| log.publish(messages)).expect("room for a batch");
        }
        let reading = read_everything(&log);
        assert!(reading.is_complete);
        published = reading.messages;
        files = scratch.files();
        log.close().expect("nothing in the way of closing");
    }
    if input.flags & KILLED == 0 {
        files = scratch.files();
    }
    (files, published)
}

fn apply(edit: &Edit, files: &mut Files) {
    match edit {
        Edit::Overwrite { file, at, bytes } => {
            change(files, *file, |old| overwrite(old, usize::from(*at), bytes));
        }
        Edit::Field { file, at, value } => {
            let bytes = value.bytes();
            change(files, *file, |old| overwrite(old, 4 * usize::from(*at), &bytes));
        }
        Edit::Flip { file, bit } => change(files, *file, |old| {
            let bits = old.len() * 8;
            if bits > 0 {
                let bit = *bit as usize % bits;
                old[bit / 8] ^= 1 << (bit % 8);
            }
        }),
        Edit::Truncate { file, len } => change(files, *file, |old| old.truncate(usize::from(*len))),
        Edit::Append { file, bytes } => change(files, *file, |old| old.extend_from_slice(bytes)),
        Edit::Remove { file } => {
            if let Some(name) = nth(files, *file) {
                files.remove(&name);
            }
        }
        Edit::Rename { file, to } => {
            if let Some(bytes) = nth(files, *file).and_then(|name| files.remove(&name)) {
                files.insert(to.text(), bytes);
            }
        }
        Edit::Copy { file, to } => {
            if let Some(bytes) = nth(files, *file).and_then(|name| files.get(&name).cloned()) {
                files.insert(to.text(), bytes);
            }
        }
        Edit::Splice { from, to, at, len } => {
            let source = nth(files, *from).and_then(|name| files.get(&name).cloned());
            let piece: Vec<u8> = source
                .into_iter()
                .flatten()
                .skip(128)
                .take(usize::from(*len))
                .collect();
            change(files, *to, |old| overwrite(old, usize::from(*at), &piece));
        }
        Edit::Create { name, bytes } => {
            files.insert(name.text(), bytes.clone());
        }
    }
}

fn nth(files: &Files, at: u8) -> Option<String> {
    files.keys().nth(usize::from(at) % files.len().max(1)).cloned()
}

fn change(files: &mut Files, at: u8, change: impl FnOnce(&mut Vec<u8>)) {
    if let Some(bytes) = nth(files, at).and_then(|name| files.get_mut(&name)) {
        change(bytes);
    }
}

fn overwrite(old: &mut [u8], at: usize, bytes: &[u8]) {
    for (old, new) in old.iter_mut().skip(at).zip(bytes) {
        *old = *new;
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Value::Small(value) => u64::from(*value).to_le_bytes().to_vec(),
            Value::U32(value) => value.to_le_bytes().to_vec(),
            Value::NearMaximum(less) => (u64::MAX - u64::from(*less)).to_le_bytes().to_vec(),
            Value::NearMaximum32(less) => (u32::MAX - u32::from(*less)).to_le_bytes().to_vec(),
            Value::Any(value) => value.to_le_bytes().to_vec(),
        }
    }
}

impl Name {
    fn text(&self) -> String {
        match self {
            Name::Segment(base) => format!("{:020}.log", base.offset()),
            Name::Index(base) => format!("{:020}.idx", base.offset()),
            Name::SegmentTemporary(base) => format!("{:020}.log.tmp", base.offset()),
            Name::Meta(second) => format!("meta.{}", u8::from(*second)),
            Name::Prepared => "segment.tmp".to_owned(),
            Name::Lock => "LOCK".to_owned(),
            Name::Quarantine => "quarantine".to_owned(),
        }
    }
}

impl Base {
    fn offset(&self) -> u64 {
        match self {
            Base::Small(offset) => u64::from(*offset),
            Base::NearMaximum(less) => u64::MAX - u64::from(*less),
        }
    }
}

/// Reading and checking change nothing.
fn read_only(options: &Options, scratch: &Scratch, files: &Files, published: Option<&[Message]>) {
    if let Ok(log) = options.clone().read_only(true).open(scratch.path()) {
        let reading = read_everything(&log);
        is_from(published, &reading.messages);
        assert!(matches!(
            log.publish(&[NewMessage::value(b"v")]),
            Err(Error::ReadOnly)
        ));
    }
    let _ = Options::of(scratch.path());
    let _ = duramen::check(scratch.path(), options);
    let _ = duramen::stat(scratch.path(), options);
    for name in files.keys() {
        let _ = duramen::dump(scratch.path().join(name), &mut io::sink());
    }
    assert_eq!(scratch.files(), *files, "something that only reads has written");
}

/// A log that is opened for writing.
struct Written<'a> {
    options: Options,
    /// Whether opening may remove messages.
    may_remove: bool,
    scratch: &'a Scratch,
    /// For backups, and for what is restored from them.
    copies: [Scratch; 2],
    published: Option<&'a [Message]>,
}

impl Written<'_> {
    fn open(&self) -> Result<FileLog, Error> {
        self.options.open(self.scratch.path())
    }

    /// A log that opens can be written to, and is the same after another open.
    fn write(&self, files: &Files, removals: &[Removal]) {
        let log = match self.open() {
            Ok(log) => log,
            Err(error) => {
                let left = |mut files: Files| {
                    files.retain(|name, _| name != "LOCK" && !name.ends_with(".tmp"));
                    files
                };
                // A log that is told to cut itself may have done so before it met what it could not help.
                assert!(
                    self.may_remove || left(self.scratch.files()) == left(files.clone()),
                    "files were changed, and then: {error}"
                );
                return;
            }
        };
        is_from(self.published, &read_everything(&log).messages);
        for removal in removals.iter().take(8) {
            self.remove(&log, removal);
        }
        let before = read_everything(&log);
        is_from(self.published, &before.messages);
        let message = NewMessage::new(b"a", b"published behind it all");
        let Ok(next) = log.publish(&[message]) else {
            return;
        };
        let _ = log.sync();
        let read = log.get(Start::At(next - 1)).expect("what was just published");
        assert_eq!(read.value.as_deref(), message.value);
        if log.close().is_err() {
            return;
        }
        drop(log);
        let log = self.open().expect("a log that was closed");
        let again = log
            .get(Start::At(next - 1))
            .expect("what was published before closing");
        assert_eq!(again, read);
        let after = read_everything(&log);
        if before.is_complete && after.is_complete && !self.may_remove {
            assert_eq!(after.messages.len(), before.messages.len() + 1);
            assert!(after.messages.starts_with(&before.messages));
        }
    }

    /// Any call may be refused. What was removed is gone, and the rest is as before.
    fn remove(&self, log: &FileLog, removal: &Removal) {
        let (Ok(start), Ok(next)) = (log.start_offset(), log.next_offset()) else {
            return;
        };
        let at = |offset: &u16| start.saturating_add(u64::from(*offset));
        match removal {
            Removal::Delete { from, bits } => {
                let named = (0..16).filter(|bit| bits & (1 << bit) != 0);
                delete(log, &named.map(|bit| at(from).saturating_add(bit)).collect());
            }
            Removal::DeleteRange { from, count } => {
                delete(
                    log,
                    &(at(from)..at(from).saturating_add(u64::from(*count))).collect(),
                );
            }
            Removal::Trim(before) => {
                let before = at(before).min(next);
                if log.trim(before).is_ok() {
                    assert!(log.start_offset().expect("an open log") >= before);
                    assert!(log.get(Start::At(before.wrapping_sub(1))).is_err());
                }
            }
            Removal::Compact => {
                let _ = compact::updates(log, &Compaction::new().older_than(Duration::ZERO));
            }
            Removal::Retain => {
                let _ = log.apply_retention(false);
            }
            Removal::Backup => self.backup(log),
            Removal::Restore(until) => {
                let [from, to] = &self.copies;
                to.clear();
                if duramen::restore(from.path(), to.path(), Start::At(at(until))).is_ok() {
                    let restored = self.reader(to).expect("what was restored");
                    is_from(self.published, &read_everything(&restored).messages);
                }
            }
        }
        assert_eq!(log.next_offset().expect("an open log"), next);
    }

    fn backup(&self, log: &FileLog) {
        let to = &self.copies[0];
        if log.backup(to.path()).is_err() {
            return;
        }
        let (ours, theirs) = (
            read_everything(log),
            read_everything(&self.reader(to).expect("a backup")),
        );
        assert!(theirs.is_complete, "a backup is verified");
        if ours.is_complete {
            assert_eq!(ours.messages, theirs.messages);
        }
    }

    fn reader(&self, of: &Scratch) -> Result<FileLog, Error> {
        let options = self.options.clone().recover(false).read_only(true);
        options.open(of.path())
    }
}

fn delete(log: &FileLog, named: &BTreeSet<u64>) {
    if log.delete(named).is_ok() {
        for offset in named {
            assert!(
                log.get(Start::At(*offset)).is_err(),
                "{offset} was deleted and is there"
            );
        }
    }
}

/// Nothing comes back that was not published.
fn is_from(published: Option<&[Message]>, read: &[Message]) {
    let Some(published) = published else {
        return;
    };
    for message in read {
        let original = published
            .iter()
            .find(|original| original.offset == message.offset);
        assert_eq!(Some(message), original);
    }
}
