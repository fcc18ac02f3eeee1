//! Events of an application's own type, as JSON with a version. Some come from an older version of
//! the program, and one is not an event at all.
//!
//! `cargo run --features json --example typed_events`

use std::collections::BTreeMap;

use duramen::codec::{Json, Utf8, Versioned};
use duramen::{Log, NewMessage, Options, Start, TLog, TNewMessage};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Opened { owner: String },
    Deposited { cents: i64 },
    Withdrawn { cents: i64 },
}

/// The format of version 1 of this program, which had only deposits in whole units.
#[derive(Debug, Serialize, Deserialize)]
struct DepositV1 {
    units: i64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-typed-events-{}", std::process::id()));
    let log = Options::new().create_dirs(true).key_index(true).open(&dir)?;

    // The old log, in the old format.
    let old = TLog::new(&log, Utf8, Versioned::new(1, Json::<DepositV1>::new()));
    let (ada, grace) = ("ada".to_owned(), "grace".to_owned());
    old.publish(&[TNewMessage::new(&ada, &DepositV1 { units: 5 })])?;
    // One message that is not an event at all.
    log.publish(&[NewMessage::new(b"ada", b"\x02{oops")])?;

    // Version 2 writes its own format and reads both.
    let events =
        Versioned::new(2, Json::<Event>::new()).older(1, Json::<DepositV1>::new(), |old| Event::Deposited {
            cents: old.units * 100,
        });
    let accounts = TLog::new(&log, Utf8, events);
    let opened = Event::Opened {
        owner: "Grace".to_owned(),
    };
    accounts.publish(&[
        TNewMessage::new(&grace, &opened),
        TNewMessage::new(&grace, &Event::Deposited { cents: 1_250 }),
        TNewMessage::new(&ada, &Event::Withdrawn { cents: 120 }),
    ])?;

    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    let mut skipped = Vec::new();
    let mut at = Start::Oldest;
    loop {
        let batch = accounts.consume(at, 2)?;
        if batch.messages.is_empty() {
            break;
        }
        at = Start::At(batch.next_offset);
        for message in batch {
            // A message that cannot be decoded is an error of its own, and the next message still
            // comes.
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    println!("passed over: {error}: {}", error.source);
                    skipped.push(error.offset());
                    continue;
                }
            };
            println!("{} {:?} {:?}", message.offset, message.key, message.value);
            let change = match message.value {
                Some(Event::Deposited { cents }) => cents,
                Some(Event::Withdrawn { cents }) => -cents,
                Some(Event::Opened { .. }) | None => 0,
            };
            *balances.entry(message.key.unwrap_or_default()).or_default() += change;
        }
    }
    assert_eq!(skipped, [1]);
    assert_eq!(
        balances,
        BTreeMap::from([("ada".to_owned(), 380), ("grace".to_owned(), 1_250)])
    );
    assert_eq!(
        accounts.get_by_key(&ada)?.value,
        Some(Event::Withdrawn { cents: 120 })
    );
    println!("{balances:?}");

    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
