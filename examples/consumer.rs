//! A consumer that sends mails: it goes on where it was, tries again what fails, and puts aside
//! what fails for good.
//!
//! `cargo run --example consumer`

use std::sync::Arc;
use std::time::Duration;

use duramen::{Backoff, BlockingLog, Consumer, Cursors, Log, NewMessage, Options, Start};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = std::env::temp_dir().join(format!("duramen-consumer-{}", std::process::id()));
    let options = Options::new().create_dirs(true);
    let mails = Arc::new(options.open(home.join("mails"))?);
    let dead = Arc::new(options.open(home.join("dead"))?);
    for to in [
        "ada@example.org",
        "nobody",
        "grace@example.org",
        "alan@example.org",
    ] {
        mails.publish(&[NewMessage::value(to.as_bytes())])?;
    }

    let mut sent = Vec::new();
    // The second run goes on where the first one has stopped.
    for run in 1..=2 {
        let cursors = Cursors::open(home.join("cursors"), &options)?.with_log("mails", &mails);
        let consumer = Consumer::new(&BlockingLog::new(Arc::clone(&mails)))
            .backoff(Backoff::new().first(Duration::from_millis(1)))
            .attempts_max(3)
            .dead_letter("sender", &dead);
        let stopper = consumer.stopper();
        let mut handler = cursors.handler("sender", "mails", 0, |message| {
            let to = String::from_utf8(message.value.as_deref().unwrap_or_default().to_vec())?;
            if !to.contains('@') {
                return Err(format!("no address: {to}").into());
            }
            println!("run {run}: sent to {to}");
            sent.push(to);
            if message.offset >= 2 {
                stopper.stop();
            }
            Ok(())
        });
        consumer.run(&mut handler)?;
    }
    assert_eq!(sent, ["ada@example.org", "grace@example.org", "alan@example.org"]);

    for letter in dead.consume(Start::Oldest, 10)? {
        let reason = letter.headers.get(b"dead.reason").unwrap_or_default();
        println!("put aside: {}", String::from_utf8_lossy(reason));
    }
    assert_eq!(dead.next_offset()?, 1);
    std::fs::remove_dir_all(&home)?;
    Ok(())
}
