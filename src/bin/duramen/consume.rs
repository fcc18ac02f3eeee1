//! `duramen consume`: printing messages in offset order.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser as _};

use duramen::{Cursors, Error, Log as _, Options, Start, Timestamp};

use crate::cursors::{self, Named};
use crate::failure::Failure;
use crate::follow::{self, Directory, Follower};
use crate::format::{Format, FormatArgs};
use crate::header::{self, Header};
use crate::key::KeyArgs;
use crate::output::Output;
use crate::position::Until;
use crate::reader::{Budget, Found, Reader, Wanted};
use crate::{position, progress, signals, size};

/// Print messages in offset order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{OUTPUT_HELP}{CONTROL_HELP}"))]
pub(crate) struct Args {
    /// The log's directory
    pub(crate) dir: PathBuf,

    #[command(flatten)]
    selection: Selection,

    /// Continue with new messages as they are published, until SIGTERM or SIGINT, which end it with
    /// exit code 0, a limit is reached, or the log is sealed
    ///
    /// Where there is no log yet, or no more, this waits for one. If messages were trimmed before
    /// they were printed, if another log takes the place of the one that was read, or if that one
    /// has lost messages, a line on the standard error says so and where this goes on. The log may
    /// be written to meanwhile: messages are printed within 20 ms.
    #[arg(long)]
    follow: bool,

    /// Begin where this stored cursor is, if there is one, and store it behind what was printed
    ///
    /// Messages are printed at least once: those are printed again that were printed and not stored
    /// when this was killed. Stored cursors are listed and changed by `duramen cursors`.
    #[arg(long, value_name = "ID")]
    cursor: Option<String>,

    #[command(flatten)]
    format: FormatArgs,
}

/// Which messages to print.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Where to begin: oldest, newest, an offset, -N for the last N messages, or a time (needs a
    /// time index) such as -1h, 2009-03-22 or 2009-03-22T09:30:00Z
    #[arg(long, value_name = "START", default_value = "oldest")]
    #[arg(value_parser = position::parse, allow_hyphen_values = true)]
    from: Start,

    /// Print at most this many messages, and control records with --control
    #[arg(long, value_name = "N")]
    max: Option<u64>,

    /// End in front of this offset, or as --until-time: an offset or a time
    #[arg(long, value_name = "OFFSET|T", value_parser = position::until, allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["until_offset", "until_time"])]
    until: Option<Until>,

    /// End in front of this offset
    #[arg(long, value_name = "OFFSET")]
    until_offset: Option<u64>,

    /// End in front of the first message, or control record with --control, at or after this time,
    /// such as -1h, 2009-03-22 or 2009-03-22T09:30:00Z
    #[arg(long, value_name = "T", value_parser = position::time, allow_hyphen_values = true)]
    until_time: Option<Timestamp>,

    /// Print at most this many bytes in all, such as 64K; a message counts 8, its key and value,
    /// and for each header 2, its name and value
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    max_bytes: Option<u64>,

    #[command(flatten)]
    key: KeyArgs,

    /// Print only messages with this header; if given several times, only those with all of them
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    #[arg(value_parser = OsStringValueParser::new().try_map(header::parse))]
    header: Vec<Header>,

    /// Print control records too: fences, trims and seals, in their places among the messages;
    /// --key and --header leave out none
    #[arg(long)]
    control: bool,
}

/// The JSON format, for the help of every command that prints it.
pub(crate) const OUTPUT_HELP: &str = "\
In the JSON format, each message is an object on one line:

  {\"offset\":7,\"time_us\":1237714200000000,\"key\":\"a\",\"value\":\"b\",\"headers\":{\"h\":\"v\"}}

An absent key or value is null. One that is not UTF-8 is in Base64 instead, as \"key_base64\" or \"value_base64\". A \
message without headers has no field \"headers\". If a name repeats, the headers are an array of pairs \
[[\"h\",\"1\"],[\"h\",\"2\"]]. If any name or value is not UTF-8, they are an array of pairs in Base64 called \
\"headers_base64\".";

/// The control records, for the help of commands that print them.
pub(crate) const CONTROL_HELP: &str = "

With --control, each control record is an object on one line, too:

  {\"offset\":7,\"time_us\":1237714200000000,\"control\":\"fence\",\"token\":\"a\"}

The others are \"control\":\"trim\",\"before\":N and \"control\":\"seal\" and \"control\":\"unseal\". One that a later \
version has written is \"control\":\"unknown\". `duramen publish` does not read them.

--key looks messages up in the key index if it is the only choice among --key, --header, --until, --until-offset, \
--until-time, --max-bytes and --control. Otherwise all messages are read.

Times are in UTC unless they name another zone. -1h is an hour ago, as are -90m and -1h30m; us:1237714200000000 is in \
microseconds since 1970.";

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let format = args.format.format()?;
    let wanted = args.selection.wanted();
    let (mut reader, mut budget) = (Reader::new(wanted), Budget::of(&wanted));
    let place = args.cursor.as_deref().map(|id| Place::of(id, &args.dir));
    if let Some(stored) = place.as_ref().map(Place::start).transpose()?.flatten() {
        reader.go_on(Start::At(stored));
    }
    if args.follow {
        signals::catch().map_err(Failure::of_signals)?;
        let mut output = Output::until_signal();
        let mut followers = [Follower::new(Directory::new(&args.dir), reader)];
        return follow::run(&mut followers, &mut budget, |_, found| {
            print(&mut output, found, format)?;
            place
                .as_ref()
                .map_or(Ok(()), |place| place.store(found.next_offset()))
        });
    }
    signals::end_at_once();
    let mut output = Output::stdout();
    let log = Options::new().read_only(true).open(&args.dir)?;
    let total = reader.count_max(&log, &budget)?;
    let bar = progress::messages("consuming", total, &io::stdout());
    while let Some(found) = reader.read(&log, &mut budget)? {
        print(&mut output, &found, format)?;
        bar.inc(found.count());
        if let (Some(place), Start::At(offset)) = (&place, reader.from()) {
            place.store(Some(offset))?;
        }
    }
    bar.finish_and_clear();
    Ok(log.close()?)
}

/// The stored cursor of whoever consumes.
struct Place<'a> {
    named: Named<'a>,
    dir: &'a Path,
    /// The cursors, and the number of the directory in which they were opened.
    open: RefCell<Option<(DirNumber, Cursors)>>,
}

type DirNumber = Option<(u64, u64)>;

impl Place<'_> {
    fn of<'a>(id: &'a str, dir: &'a Path) -> Place<'a> {
        let named = Named {
            id,
            stream: "",
            partition: 0,
        };
        let open = RefCell::default();
        Place { named, dir, open }
    }

    /// Opens them, unless they are open. Another log may have taken the place of the one that was
    /// read.
    fn cursors(&self) -> Result<Cursors, Failure> {
        let number = follow::number(self.dir);
        let mut open = self.open.borrow_mut();
        if let Some((_, cursors)) = open.as_ref().filter(|(of, _)| *of == number) {
            return Ok(cursors.clone());
        }
        let cursors = cursors::of_log(self.dir, false)?;
        *open = Some((number, cursors.clone()));
        Ok(cursors)
    }

    /// Where it is; `None` if it was not stored yet, as of a log that is not there yet.
    fn start(&self) -> Result<Option<u64>, Failure> {
        match self.cursors() {
            Err(Failure::Log(Error::NoLog { .. })) => Ok(None),
            cursors => self.named.next_offset(&cursors?),
        }
    }

    fn store(&self, next_offset: Option<u64>) -> Result<(), Failure> {
        if let Some(next_offset) = next_offset {
            self.named.store(&self.cursors()?, next_offset)?;
        }
        Ok(())
    }
}

impl Selection {
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        let (until_offset, until_time) = match self.until {
            Some(Until::Offset(offset)) => (Some(offset), None),
            Some(Until::Time(time)) => (None, Some(time)),
            None => (self.until_offset, self.until_time),
        };
        Wanted {
            from: self.from,
            count_max: self.max,
            bytes_max: self.max_bytes,
            until_offset,
            until_time,
            key: self.key.bytes(),
            headers: &self.header,
            control: self.control,
        }
    }
}

/// Prints messages and control records in the order of their offsets.
pub(crate) fn print(output: &mut Output, found: &Found, format: Format<'_>) -> Result<(), Failure> {
    let mut controls = found.controls.iter().peekable();
    for message in &found.messages {
        while let Some(record) = controls.next_if(|record| record.offset < message.offset) {
            output.control(record, format)?;
        }
        output.message(message, format)?;
    }
    for record in controls {
        output.control(record, format)?;
    }
    output.flush()
}
