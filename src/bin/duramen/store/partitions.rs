//! Which partitions of a stream a command is about, and the commands that change some of them.

use std::path::Path;

use duramen::store::{Partitions, StoreOptions, Stream};

use super::open;
use super::shown::Described;
use crate::failure::Failure;
use crate::summary::print;

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The stream
    #[arg(value_name = "NAME")]
    stream: String,

    /// Only this partition, from 0; can be given several times [default: all]
    #[arg(long, value_name = "N")]
    partition: Vec<u32>,
}

impl Which {
    fn partitions(&self) -> Partitions {
        if self.partition.is_empty() {
            Partitions::All
        } else {
            Partitions::These(self.partition.clone())
        }
    }
}

/// Changes partitions of a stream of the store in `dir`, and prints the stream.
pub(super) fn change(
    dir: &Path,
    which: &Which,
    change: impl Fn(&Stream, &Partitions) -> duramen::Result<()>,
) -> Result<(), Failure> {
    let store = open::existing(dir, &StoreOptions::new())?;
    let stream = store.stream(&which.stream)?;
    change(&stream, &which.partitions())?;
    let info = stream.info()?;
    store.close()?;
    print(&Described::from(info))
}
