//! `duramen store list`: printing the streams.

use std::num::NonZeroUsize;
use std::path::Path;

use serde::Serialize;

use duramen::store::{ListOptions, Store, StreamInfo};

use super::open;
use super::shown::{DESCRIBED_HELP, Described};
use crate::failure::Failure;
use crate::output::Output;

/// How many streams are asked for at a time.
const PAGE_LEN: usize = 1000;

/// Print the streams as JSON lines, in the byte order of their names.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{DESCRIBED_HELP}{MORE_HELP}"))]
pub(super) struct Args {
    /// Print only streams whose names begin so
    #[arg(
        long,
        value_name = "P",
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,

    /// Print only streams whose names come after this one, which need not exist
    #[arg(
        long,
        value_name = "S",
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    start_after: String,

    /// Print at most this many streams, and a last line `{"has_more":true}` if there are more
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,

    /// Print only the names, one a line; streams that are being removed are left out, and so are
    /// names with line ends and other control characters
    #[arg(long, conflicts_with = "limit")]
    names: bool,
}

const MORE_HELP: &str = "

To go on after {\"has_more\":true}, give the last name that was printed as --start-after.";

#[derive(Serialize)]
struct More {
    has_more: bool,
}

/// Passes the streams that are not being removed, in the byte order of their names.
pub(crate) fn each_stream(
    store: &Store,
    mut pass: impl FnMut(StreamInfo) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut how = ListOptions::new();
    loop {
        let page = store.list(&how)?;
        if let Some(last) = page.items.last() {
            how = how.start_after(&last.name);
        }
        for info in page.items.into_iter().filter(|info| info.deleted_at.is_none()) {
            pass(info)?;
        }
        if !page.has_more {
            return Ok(());
        }
    }
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let store = open::for_reading(dir)?;
    let mut output = Output::stdout();
    let mut left = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut start_after = args.start_after.clone();
    loop {
        let how = ListOptions::new()
            .prefix(&args.prefix)
            .start_after(&start_after)
            .limit(left.min(PAGE_LEN));
        let page = store.list(&how)?;
        left -= page.items.len();
        if let Some(last) = page.items.last() {
            start_after.clone_from(&last.name);
        }
        for info in page.items {
            if !args.names {
                output.json(&Described::from(info))?;
            } else if info.deleted_at.is_none() && !info.name.contains(char::is_control) {
                output.line(info.name)?;
            }
        }
        if left == 0 && page.has_more {
            output.json(&More { has_more: true })?;
        }
        if left == 0 || !page.has_more {
            break;
        }
    }
    store.close()?;
    output.flush()
}
