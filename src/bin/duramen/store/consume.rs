//! `duramen store consume`: printing the messages of a stream.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use duramen::store::StoreOptions;
use duramen::{Error, Start};

use super::open;
use super::source::{Followed, Partition};
use crate::consume::{CONTROL_HELP, OUTPUT_HELP, Selection, print};
use crate::cursors::Named;
use crate::failure::Failure;
use crate::follow::{self, Follower};
use crate::format::{Format, FormatArgs};
use crate::output::Output;
use crate::reader::{Budget, Found, Reader, Wanted};
use crate::{signals, streams};

/// The time between two looks for a stream that is not there yet.
const PAUSE: Duration = Duration::from_millis(50);

/// Print the messages of a stream, those of each partition in offset order.
///
/// Without --partition, the partitions are printed one after the other, or with --follow as
/// messages come.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{PARTITION_HELP}{OUTPUT_HELP}{CONTROL_HELP}"))]
pub(super) struct Args {
    /// The stream
    #[arg(value_name = "NAME")]
    stream: String,

    /// Print only this partition, from 0
    #[arg(long, value_name = "N")]
    partition: Option<u32>,

    #[command(flatten)]
    selection: Selection,

    /// Continue with new messages as they are published, until SIGTERM or SIGINT, which end it with
    /// exit code 0, a limit is reached, or all these partitions are sealed
    ///
    /// Where there is no store or no stream yet, or no more, this waits for one. What happens to a
    /// partition is told as `duramen consume` tells it of a log. A partition that is paused ends
    /// this with exit code 1.
    #[arg(long)]
    follow: bool,

    /// Begin where this stored cursor is in each partition, if there is one, and store it behind
    /// what was printed
    ///
    /// Messages are printed at least once, as `duramen consume` tells it of a log. The cursors of a
    /// store are in the store, so it must not be open for writing elsewhere meanwhile; nobody would
    /// publish to it, so this does not follow.
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    cursor: Option<String>,

    #[command(flatten)]
    format: FormatArgs,
}

const PARTITION_HELP: &str = "\
Each message has the partition in front: as \"partition\":N in the JSON format, as the first field of a line of text. \
Of several partitions, --max and --max-bytes count the messages of all; --from -N is the last N of each. Offsets are \
those of one partition, so --from OFFSET and --until-offset need --partition, unless the stream has only one.

";

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let format = args.format.format()?;
    let wanted = args.selection.wanted();
    let mut budget = Budget::of(&wanted);
    if args.follow {
        signals::catch().map_err(Failure::of_signals)?;
        return follow(dir, args, wanted, &mut budget, format);
    }
    signals::end_at_once();
    let writer = args
        .cursor
        .as_ref()
        .map(|_| open::existing(dir, &StoreOptions::new()));
    let writer = writer.transpose()?;
    // This one makes no log where nobody has published.
    let store = open::for_reading(dir)?;
    let stream = store.stream(&args.stream)?;
    let mut output = Output::stdout();
    for number in args.numbers(stream.partitions()?, &wanted)? {
        let log = stream.partition(number)?;
        let mut reader = Reader::new(wanted);
        let place = writer.as_ref().zip(args.named(number));
        let place = place.map(|(writer, named)| (writer.cursors(), named));
        if let Some((cursors, named)) = &place
            && let Some(stored) = named.next_offset(cursors)?
        {
            reader.go_on(Start::At(stored));
        }
        while let Some(found) = or_unused(reader.read(&log, &mut budget))? {
            print(&mut output, &found, format.in_partition(number))?;
            if let (Some((cursors, named)), Start::At(offset)) = (&place, reader.from()) {
                named.store(cursors, offset)?;
            }
        }
    }
    store.close()?;
    writer.map_or(Ok(()), |writer| Ok(writer.close()?))
}

/// A partition that nobody has used yet has no messages.
fn or_unused(read: Result<Option<Found>, Failure>) -> Result<Option<Found>, Failure> {
    match read {
        Err(Failure::Log(Error::NoLog { path })) if !path.exists() => Ok(None),
        read => read,
    }
}

fn follow(
    dir: &Path,
    args: &Args,
    wanted: Wanted<'_>,
    budget: &mut Budget,
    format: Format<'_>,
) -> Result<(), Failure> {
    let followed = Followed::new(dir, &args.stream);
    let partitions = loop {
        match followed.stream().and_then(|stream| stream.partitions()) {
            Ok(partitions) => break partitions,
            Err(error) if followed.is_absent(&error) => streams::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
        if signals::came() {
            return Ok(());
        }
    };
    let numbers = args.numbers(partitions, &wanted)?;
    let mut followers: Vec<_> = numbers
        .map(|number| Follower::new(Partition::new(&followed, number), Reader::new(wanted)))
        .collect();
    let mut output = Output::until_signal();
    follow::run(&mut followers, budget, |partition, found| {
        print(&mut output, found, format.in_partition(partition.number))
    })
}

impl Args {
    /// The stored cursor of a partition.
    fn named(&self, partition: u32) -> Option<Named<'_>> {
        let id = self.cursor.as_deref();
        id.map(|id| Named {
            id,
            stream: &self.stream,
            partition,
        })
    }

    /// The partitions to print, of a stream with so many.
    fn numbers(&self, partitions: u32, wanted: &Wanted<'_>) -> Result<Range<u32>, Failure> {
        let numbers = match self.partition {
            Some(number) if number < partitions => number..number + 1,
            Some(number) => {
                let name = &self.stream;
                let text =
                    format!("the stream {name:?} has no partition {number}: it has {partitions}, from 0 on");
                return Err(Failure::Usage(text));
            }
            None => 0..partitions,
        };
        let has_offsets = matches!(wanted.from, Start::At(_)) || wanted.until_offset.is_some();
        if numbers.len() > 1 && has_offsets {
            return Err(Failure::Usage(
                "an offset needs --partition: each partition has its own offsets".to_owned(),
            ));
        }
        Ok(numbers)
    }
}
