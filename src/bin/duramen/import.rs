//! `duramen import`: making a log from one of klevdb.

use std::mem;
use std::path::{Path, PathBuf};

use serde::Serialize;

use duramen::{Import, NewMessage, Options, Timestamp};

use crate::failure::Failure;
use crate::klevdb::{
    Beginning, Comparison, Kinds, Message, Next, Said, Segment, Source, Version, is_torn, kinds_of,
};
use crate::streams::tell;
use crate::summary::print;
use crate::{progress, size};

/// Make a log from one of klevdb, a library for Go, and print a summary as one JSON line.
///
/// Messages keep their offsets, with gaps where some were deleted, and their times, and the log
/// goes on at the offset that klevdb would give next, or behind messages that are lost. Segments of
/// the formats V1 and V2 are read. Every checksum is verified. The log of klevdb is not changed; it
/// is locked as klevdb does it for reading, so a program that has it open for writing has to end
/// first. Where no lock file can be made, a warning says so, and the import fails if segments come,
/// go or grow meanwhile.
///
/// The exit code is 3 if the log of klevdb is damaged. Then, and if this is interrupted, there is
/// no new log yet: every command on it fails, with exit code 1 if its directory was not begun, and
/// with 4 if it was, until the import is run again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The directory of klevdb
    klevdb_dir: PathBuf,

    /// The new log's directory, which must hold no log
    dir: PathBuf,

    /// Give the log a key index, also if klevdb has none
    #[arg(long)]
    key_index: bool,

    /// Give the log a time index, also if klevdb has none
    #[arg(long)]
    time_index: bool,

    /// Segment size at which a new segment is begun
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    rollover: Option<u64>,

    #[command(flatten)]
    reading: Reading,
}

/// How the log of klevdb is read.
#[derive(Debug, clap::Args)]
struct Reading {
    /// Take the log without what a kill of klevdb or a power cut leaves: a record at the end that
    /// is not whole, messages at the end that only an index has, messages in front of another one
    /// that was given the same offset, and those that a segment has together with the next one.
    /// None of their offsets is given out again
    #[arg(long)]
    recover: bool,

    /// Take the messages as they are also where an index of klevdb says that there were others. The
    /// next offset then depends on the segments alone
    #[arg(long)]
    ignore_indexes: bool,

    #[command(flatten)]
    empty: Empty,
}

/// What parts without bytes become.
#[derive(Debug, clap::Args)]
struct Empty {
    /// Take a key of no bytes as an empty key, and not as none: klevdb cannot tell them apart
    #[arg(long)]
    empty_keys: bool,

    /// Take a value of no bytes as an empty value, and not as none, which makes a message with a
    /// key a tombstone
    #[arg(long)]
    empty_values: bool,
}

const SUMMARY_HELP: &str = "\
The summary is {\"messages\":N,\"segments\":N,\"start_offset\":N,\"next_offset\":N,\"gaps\":N,\"key_index\":B,\
\"time_index\":B,\"v1_segments\":N,\"v2_segments\":N,\"dropped_messages\":N,\"dropped_bytes\":N,\
\"index_problems\":N}: what the new log holds, how many stretches of offsets have no message, which indexes it \
has, how many segments klevdb had in each format, the messages and the bytes at the end that --recover has \
dropped, and how many indexes of klevdb did not fit their segments.";

#[derive(Debug, Default, Serialize)]
struct Summary {
    messages: u64,
    segments: u64,
    start_offset: u64,
    next_offset: u64,
    gaps: u64,
    key_index: bool,
    time_index: bool,
    v1_segments: u64,
    v2_segments: u64,
    dropped_messages: u64,
    dropped_bytes: u64,
    index_problems: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("importing");
    let source = Source::open(&args.klevdb_dir)?;
    if !source.is_locked() {
        let dir = source.dir.display();
        tell(format_args!(
            "{dir}: there is no lock file, and none can be made here: no program may write to it now"
        ));
    }
    let kinds = kinds_of(&source)?;
    let (key_index, time_index) = (args.key_index || kinds.keys, args.time_index || kinds.times);
    let mut options = Options::new().key_index(key_index).time_index(time_index);
    if let Some(rollover) = args.rollover {
        options = options.rollover(rollover);
    }
    let mut taking = Taking {
        reading: &args.reading,
        import: options.import(&args.dir)?,
        kinds,
        held: None,
        spare: Message::default(),
        next: 0,
        is_superseded: false,
        summary: Summary {
            key_index,
            time_index,
            ..Summary::default()
        },
    };
    let ends = source.bases.iter().skip(1).map(|next| Some(*next)).chain([None]);
    for (base, end) in source.bases.iter().zip(ends) {
        taking.segment(&source.dir, *base, end)?;
    }
    source.check_unchanged()?;
    let last = source.bases.last().copied().unwrap_or(0);
    let summary = taking.finish(last)?;
    spinner.finish_and_clear();
    tell_indexes(&summary);
    print(&summary)
}

fn tell_indexes(summary: &Summary) {
    let what = match (summary.key_index, summary.time_index) {
        (true, true) => "a key index and a time index",
        (true, false) => "a key index",
        (false, true) => "a time index",
        (false, false) => "no index of keys or times",
    };
    tell(format_args!("the log has {what}"));
}

/// Messages on their way into the new log.
struct Taking<'a> {
    reading: &'a Reading,
    import: Import,
    /// The indexes of klevdb.
    kinds: Kinds,
    /// The last message that was read. It is not imported yet: klevdb may have given its offset to
    /// the next one as well.
    held: Option<(Message, Said)>,
    spare: Message,
    /// The offset behind all that klevdb is known to have given out.
    next: u64,
    /// Whether the next segment was found to stand for the rest of this one.
    is_superseded: bool,
    summary: Summary,
}

impl Taking<'_> {
    /// Takes the messages of one segment; the next one begins at the offset `end`.
    fn segment(&mut self, dir: &Path, base: u64, end: Option<u64>) -> Result<(), Failure> {
        let mut segment = Segment::open(dir, base)?;
        match segment.version {
            Version::V1 => self.summary.v1_segments += 1,
            Version::V2 => self.summary.v2_segments += 1,
        }
        let beginning = Beginning::open(dir, base)?;
        let items = beginning.map(|found| {
            let kinds = found.kinds.unwrap_or(self.kinds);
            found.items(kinds)
        });
        let mut index = items.map(Comparison::of).transpose()?;
        let mut read = 0;
        let mut next = base;
        self.is_superseded = false;
        loop {
            let mut message = mem::take(&mut self.spare);
            match segment.read(&mut message)? {
                Next::Message => {}
                Next::End if end.is_some() && read == 0 => {
                    let what = "a segment in front of others has messages, and this one has none";
                    return Err(Failure::damaged(&segment.path, segment.len, what));
                }
                Next::End => break,
                Next::Broken(position) => {
                    self.broken(&segment, position, next, end.is_some())?;
                    break;
                }
            }
            let said = match &mut index {
                Some(index) => index.see(&message)?,
                None => Said::Nothing,
            };
            if read == 0 && message.offset != base {
                let what = "the first message of the segment has another offset than the file's name";
                return Err(Failure::damaged(&segment.path, message.position, what));
            }
            read += 1;
            next = next.max(message.offset + 1);
            self.message(&segment, message, said, end)?;
        }
        self.next = self.next.max(next);
        match index {
            Some(index) => self.compare(&segment, index, next, end.is_some()),
            None => Ok(()),
        }
    }

    /// Takes one message, of which the index has `said` this.
    fn message(
        &mut self,
        segment: &Segment,
        message: Message,
        said: Said,
        end: Option<u64>,
    ) -> Result<(), Failure> {
        if let Some(end) = end.filter(|end| message.offset >= *end) {
            self.superseded(segment, &message, said, end)?;
            self.spare = message;
            return Ok(());
        }
        if let Some((held, said)) = self.held.take() {
            if message.offset < held.offset {
                let what = "the offset of the message is below that of the one before it";
                return Err(Failure::damaged(&segment.path, message.position, what));
            }
            if message.offset == held.offset {
                let what = "the message has the offset of the one before it";
                // In format V1 the offset may be another one that has changed.
                if segment.version == Version::V1 && said != Said::Skips {
                    return Err(Failure::damaged(&segment.path, message.position, what));
                }
                self.drop_if_recovering(segment, message.position, what)?;
            } else {
                self.import(&held)?;
            }
            self.spare = held;
        }
        self.held = Some((message, said));
        Ok(())
    }

    /// Leaves out a message that the next segment, which begins at the offset `end`, stands for.
    /// When klevdb deletes, it writes what is left of a segment anew, under the name of the first
    /// message that is left, and then removes the old one. And when it is killed between a message
    /// and its item in the index, it gives the offset away again, also in a new segment.
    fn superseded(
        &mut self,
        segment: &Segment,
        message: &Message,
        said: Said,
        end: u64,
    ) -> Result<(), Failure> {
        if message.offset == end {
            if said == Said::Ends && segment.position == segment.len {
                let what = "the next segment begins with the offset of the message";
                return self.drop_if_recovering(segment, message.position, what);
            }
            let mut first = Message::default();
            let dir = segment.path.parent().unwrap_or(Path::new("."));
            let is_there = Segment::open(dir, end)?.read(&mut first)? == Next::Message;
            self.is_superseded = is_there && first.is_same(message);
        }
        if !self.is_superseded {
            let what = "the offset of the message is not below those of the next segment";
            return Err(Failure::damaged(&segment.path, message.position, what));
        }
        let what = "the next segment has the message as well";
        self.drop_if_recovering(segment, message.position, what)
    }

    fn drop_if_recovering(
        &mut self,
        segment: &Segment,
        position: u64,
        what: &'static str,
    ) -> Result<(), Failure> {
        if !self.reading.recover {
            return Err(Failure::left_by_kill(&segment.path, position, what));
        }
        self.summary.dropped_messages += 1;
        Ok(())
    }

    fn import(&mut self, message: &Message) -> Result<(), Failure> {
        let part = |bytes, is_kept_empty| (!<[u8]>::is_empty(bytes) || is_kept_empty).then_some(bytes);
        let new = NewMessage {
            time: Some(Timestamp::from_micros(message.time)),
            key: part(message.key(), self.reading.empty.empty_keys),
            value: part(message.value(), self.reading.empty.empty_values),
            headers: &[],
        };
        if self.summary.messages > 0 && message.offset > self.import.next_offset() {
            self.summary.gaps += 1;
        }
        self.import.push(message.offset, &new)?;
        self.summary.messages += 1;
        Ok(())
    }

    /// What begins at `position` is not whole.
    fn broken(&mut self, segment: &Segment, position: u64, next: u64, has_next: bool) -> Result<(), Failure> {
        if has_next || !is_torn(segment, position, next)? {
            return Err(Failure::damaged(&segment.path, position, "the record is damaged"));
        }
        let what = "the last record is not whole";
        if !self.reading.recover {
            return Err(Failure::left_by_kill(&segment.path, position, what));
        }
        let dropped = segment.len - position;
        self.summary.dropped_bytes += dropped;
        tell(format_args!(
            "{}: {dropped} bytes from position {position} on are left out: {what}",
            segment.path.display()
        ));
        Ok(())
    }

    /// Looks at what the index of a segment said, of which the last message is in front of the
    /// offset `next`.
    fn compare(
        &mut self,
        segment: &Segment,
        mut index: Comparison,
        next: u64,
        has_next: bool,
    ) -> Result<(), Failure> {
        let more = index.more(segment.position, next)?;
        let missing = index.skipped + if has_next { index.behind_it } else { 0 };
        let is_wrong = index.contradicts_at.is_some() || more.is_some();
        self.summary.index_problems += u64::from(is_wrong || missing > 0);
        let path = index.path();
        let differs = |position, what, is_evidence| {
            if is_evidence && !self.reading.ignore_indexes {
                let path = path.to_owned();
                return Err(Failure::IndexDiffers { path, position, what });
            }
            tell(format_args!("{}: at position {position}: {what}", path.display()));
            Ok(())
        };
        if let Some(position) = index.contradicts_at {
            // Nothing else in a segment of format V1 vouches for offsets.
            let what = "the index has another message here than the segment";
            differs(position, what, segment.version == Version::V1)?;
        }
        if let Some((position, behind)) = more {
            // Nothing else at all says that messages are missing. At the end of the log, a power
            // cut may have taken them, and klevdb goes on behind them.
            let what = "the index has messages that the segment does not have";
            if !has_next && !self.reading.ignore_indexes {
                if !self.reading.recover {
                    return Err(Failure::left_by_kill(path, position, what));
                }
                self.next = self.next.max(behind);
            }
            differs(position, what, has_next)?;
        }
        Ok(())
    }

    /// Finishes the log; the last segment has the offset `last` in its name.
    fn finish(mut self, last: u64) -> Result<Summary, Failure> {
        if let Some((held, _)) = self.held.take() {
            self.import(&held)?;
        }
        let next = self.next.max(last);
        if self.summary.messages > 0 && next > self.import.next_offset() {
            self.summary.gaps += 1;
        }
        let report = self.import.finish(next)?;
        Ok(Summary {
            segments: report.segments,
            start_offset: report.start_offset,
            next_offset: report.next_offset,
            ..self.summary
        })
    }
}
