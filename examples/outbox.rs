//! An outbox: what another system has to be told is in a log at once, and a relay tells it later, in
//! order. The relay may die at any moment; the other system takes everything once.
//!
//! `cargo run --example outbox`

use duramen::{Durability, FileLog, Log, LogExt, NewMessage, Options, PublishOptions, Result, Start};

/// The id under which the other system knows this outbox. Choose one and keep it.
const OUTBOX: u64 = 7;

/// Tells what is in the outbox, and returns how much of it had been told before. Dies in the turn
/// `dies_at`, after telling and before noting that.
fn relay(outbox: &FileLog, inbox: &FileLog, dies_at: u32) -> Result<u32> {
    let mut repeated = 0;
    for turn in 1.. {
        let batch = outbox.consume(Start::Oldest, 10)?;
        for order in &batch {
            let value = order.value.as_deref().unwrap_or_default();
            // The inbox knows by the offset what it has. Any other system can do the same.
            let once = PublishOptions::new().producer(OUTBOX, order.offset);
            let ack = inbox.append(&[NewMessage::value(value)], &once)?;
            repeated += u32::from(ack.is_duplicate);
        }
        if batch.messages.is_empty() || turn == dies_at {
            break;
        }
        // What was told is removed, so the oldest message is always the next one to tell.
        outbox.trim(batch.next_offset)?;
    }
    Ok(repeated)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-outbox-{}", std::process::id()));
    let options = Options::new()
        .create_dirs(true)
        .durability(Durability::EachPublish);
    let inbox = options.open(dir.join("inbox"))?; // stands for the other system

    let outbox = options.open(dir.join("outbox"))?;
    for order in 0..50 {
        outbox.publish_one(NewMessage::value(format!("order {order}").as_bytes()))?;
    }
    assert_eq!(relay(&outbox, &inbox, 3)?, 0);
    outbox.close()?;

    // In its next life, the relay tells the last ten again.
    let outbox = options.open(dir.join("outbox"))?;
    assert_eq!(relay(&outbox, &inbox, u32::MAX)?, 10);
    outbox.close()?;

    assert_eq!(inbox.next_offset()?, 50);
    println!("50 orders have arrived, each once");
    inbox.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}
