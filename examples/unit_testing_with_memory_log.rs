//! An application that takes any `Log`. Its tests pass a log in memory, and production passes one
//! on disk.
//!
//! `cargo run --example unit_testing_with_memory_log`

use std::collections::BTreeMap;

use duramen::{Error, Log, LogExt, MemoryLog, Message, NewMessage, Options, PublishOptions, Result};

/// The application: a stock, kept as a log of items added and taken.
struct Stock<L> {
    log: L,
}

impl<L: Log> Stock<L> {
    /// Records that this many items were added or taken.
    fn change(&self, item: &str, count: i64) -> Result<u64> {
        self.log
            .publish_one(NewMessage::new(item.as_bytes(), &count.to_be_bytes()))
    }

    /// Takes one item unless there is none. No other change can come in between.
    fn take(&self, item: &str) -> Result<bool> {
        let one_less = (-1_i64).to_be_bytes();
        loop {
            let seen = self.log.next_offset()?;
            if self.counts()?.get(item).is_none_or(|count| *count < 1) {
                return Ok(false);
            }
            let message = NewMessage::new(item.as_bytes(), &one_less);
            let only_then = PublishOptions::new().expect_next_offset(seen);
            match self.log.publish_with(&[message], &only_then) {
                Err(Error::OffsetMismatch { .. }) => {}
                other => return other.map(|_| true),
            }
        }
    }

    fn counts(&self) -> Result<BTreeMap<String, i64>> {
        let mut counts = BTreeMap::new();
        for message in self.log.iter(0) {
            let (item, count) = read(&message?);
            *counts.entry(item).or_default() += count;
        }
        Ok(counts)
    }
}

fn read(message: &Message) -> (String, i64) {
    let item = message.key.as_deref().unwrap_or_default();
    let count = message.value.as_deref().unwrap_or_default();
    (
        String::from_utf8_lossy(item).into_owned(),
        count.try_into().map_or(0, i64::from_be_bytes),
    )
}

/// These would be tests. They need no directories and no cleaning up, and each has its own log.
fn tests() -> Result<()> {
    let stock = Stock {
        log: MemoryLog::new(),
    };
    stock.change("lamp", 2)?;
    assert!(stock.take("lamp")? && stock.take("lamp")?);
    assert!(!stock.take("lamp")?, "there were two");
    assert!(!stock.take("door")?, "there was none");
    assert_eq!(stock.counts()?["lamp"], 0);

    // A test can also let somebody else act between two calls of the application.
    let log = MemoryLog::new();
    let (stock, other) = (Stock { log: &log }, Stock { log: &log });
    stock.change("lamp", 1)?;
    assert!(other.take("lamp")?);
    assert!(!stock.take("lamp")?);

    // A test can also check how the application handles errors.
    log.close()?;
    assert!(matches!(stock.take("lamp"), Err(Error::Closed)));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tests()?;
    println!("in memory: passed");

    let dir = std::env::temp_dir().join(format!("duramen-unit-testing-{}", std::process::id()));
    let stock = Stock {
        log: Options::new().create_dirs(true).open(&dir)?,
    };
    stock.change("lamp", 1)?;
    assert!(stock.take("lamp")? && !stock.take("lamp")?);
    println!("on disk: {:?}", stock.counts()?);
    stock.log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
