//! `duramen cursors`: the stored cursors of a log or a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use duramen::store::StoreOptions;
use duramen::{Cursors, Error, Expect, Options, Stored};
use serde::Serialize;

use crate::failure::Failure;
use crate::open::{self, patiently};
use crate::output::Output;

/// Where the cursors of a log are, in its directory.
const FOLDER: &str = "cursors";

/// List, read and change stored cursors, the places up to which somebody has read.
///
/// DIR is a log's directory or a store's. The cursors of a log are in its folder `cursors`, those
/// of a store in the store. To change those of a store, this opens it for writing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// The directory of a log or a store
    dir: PathBuf,

    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
Each cursor is an object on one line; \"stream\" and \"partition\" are those of a store alone:

  {\"id\":\"a\",\"stream\":\"s\",\"partition\":0,\"next_offset\":7,\"version\":3,\"updated_us\":1237714200000000}

`get` and the commands that change a cursor print it with \"lag\":N, too: how many offsets there are up to the end.

A cursor that was stored in another life of the log, such as before a restore to an earlier point, is refused with \
exit code 1. `reset` brings it to the life that the log has now.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Print all cursors, in the order of stream, partition and id.
    List {
        /// Only those whose ids begin with this
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
    },
    /// Print one cursor. If there is none, the exit code is 1.
    Get(Which),
    /// Bring a cursor forward to an offset, that of the next message to read. It does not go back.
    Set(To),
    /// Bring a cursor to an offset, also back, and from another life of the log.
    Reset(To),
    /// Remove a cursor. If there is none, the exit code is 1.
    Delete(Which),
}

/// Which cursor.
#[derive(Debug, clap::Args)]
struct Which {
    /// The cursor
    id: String,

    #[command(flatten)]
    place: Place,
}

/// Which cursor, and where it is to be.
#[derive(Debug, clap::Args)]
struct To {
    /// The cursor
    id: String,

    /// The offset of the next message to read
    offset: u64,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The stream, in a store
    #[arg(long, value_name = "NAME", default_value = "")]
    stream: String,

    /// The partition of the stream, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    partition: u32,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u32>,
    next_offset: u64,
    version: u64,
    updated_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let dir = &args.dir;
    let mut output = Output::stdout();
    match &args.command {
        Command::List { prefix } => {
            let cursors = if_any(of(dir, true))?;
            let listed = cursors.map_or(Ok(Vec::new()), |cursors| cursors.list(prefix))?;
            for cursor in &listed {
                let place = Some((&*cursor.stream, cursor.partition));
                let place = place.filter(|(stream, _)| !stream.is_empty());
                output.json(&Shown::new(&cursor.id, place, &cursor.stored, None))?;
            }
        }
        Command::Get(which) => {
            let cursors = if_any(of(dir, true))?.ok_or(Error::NotFound)?;
            let (id, place) = (&which.id, &which.place);
            let stored = cursors.get(id, &place.stream, place.partition)?;
            place.print(&mut output, &cursors, id, &stored.ok_or(Error::NotFound)?)?;
        }
        Command::Set(to) => {
            let cursors = of(dir, false)?;
            let (stream, partition) = (&to.place.stream, to.place.partition);
            let stored = cursors.set(&to.id, stream, partition, to.offset, Expect::Any)?;
            cursors.sync()?;
            to.place.print(&mut output, &cursors, &to.id, &stored)?;
        }
        Command::Reset(to) => {
            let cursors = of(dir, false)?;
            let (stream, partition) = (&to.place.stream, to.place.partition);
            let stored = cursors.reset(&to.id, stream, partition, to.offset)?;
            cursors.sync()?;
            to.place.print(&mut output, &cursors, &to.id, &stored)?;
        }
        Command::Delete(which) => {
            let cursors = of(dir, false)?;
            let (stream, partition) = (&which.place.stream, which.place.partition);
            if !cursors.delete(&which.id, stream, partition)? {
                return Err(Error::NotFound.into());
            }
            cursors.sync()?;
        }
    }
    output.flush()
}

impl Place {
    fn print(
        &self,
        output: &mut Output,
        cursors: &Cursors,
        id: &str,
        stored: &Stored,
    ) -> Result<(), Failure> {
        let place = Some((&*self.stream, self.partition)).filter(|(stream, _)| !stream.is_empty());
        let lag = cursors.lag(id, &self.stream, self.partition)?;
        output.json(&Shown::new(id, place, stored, lag))
    }
}

impl<'a> Shown<'a> {
    fn new(id: &'a str, place: Option<(&'a str, u32)>, stored: &Stored, lag: Option<u64>) -> Shown<'a> {
        Shown {
            id,
            stream: place.map(|(stream, _)| stream),
            partition: place.map(|(_, partition)| partition),
            next_offset: stored.position.offset,
            version: stored.version,
            updated_us: stored.updated.as_micros(),
            lag,
        }
    }
}

/// The cursor of whoever consumes: which it is, and of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) id: &'a str,
    /// Empty for a log that is in no store.
    pub(crate) stream: &'a str,
    pub(crate) partition: u32,
}

impl Named<'_> {
    /// Where it is; `None` if it was not stored yet.
    pub(crate) fn next_offset(self, cursors: &Cursors) -> Result<Option<u64>, Failure> {
        let stored = cursors.get(self.id, self.stream, self.partition)?;
        Ok(stored.map(|stored| stored.position.offset))
    }

    pub(crate) fn store(self, cursors: &Cursors, next_offset: u64) -> Result<(), Failure> {
        cursors.set(self.id, self.stream, self.partition, next_offset, Expect::Any)?;
        Ok(())
    }
}

/// The cursors of the log or store in `dir`.
fn of(dir: &Path, read_only: bool) -> Result<Cursors, Failure> {
    if dir.join("catalog").is_dir() {
        let options = StoreOptions::new().read_only(read_only);
        return Ok(patiently(|| options.open(dir))?.cursors());
    }
    of_log(dir, read_only)
}

/// The cursors of the log in `dir`, which has no name there.
pub(crate) fn of_log(dir: &Path, read_only: bool) -> Result<Cursors, Failure> {
    let log = Arc::new(open::existing(dir, true)?);
    let options = Options::new().create_dirs(!read_only).read_only(read_only);
    let cursors = patiently(|| Cursors::open(dir.join(FOLDER), &options))?;
    Ok(cursors.with_log("", &log))
}

/// `None` if none was ever stored.
fn if_any(cursors: Result<Cursors, Failure>) -> Result<Option<Cursors>, Failure> {
    match cursors {
        Err(Failure::Log(Error::NoLog { path })) if path.ends_with(FOLDER) => Ok(None),
        cursors => cursors.map(Some),
    }
}
