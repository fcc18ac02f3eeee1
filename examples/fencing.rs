//! Two writers and one log: the one that takes over fences the other one off. Whatever the old
//! writer does afterwards, nothing of it gets into the log.
//!
//! `cargo run --example fencing`

use std::sync::Arc;
use std::thread;

use duramen::{
    Control, Error, FileLog, Log, NewMessage, Options, PublishOptions, ReadOptions, Result, Start, Token,
};

/// A process that may write, as long as nobody has taken over.
struct Writer {
    log: Arc<FileLog>,
    token: Token,
}

impl Writer {
    /// Takes over: from here on, the log refuses every other writer. Nobody has to be asked.
    fn take_over(log: &Arc<FileLog>, name: &str) -> Result<Writer> {
        let token = Token::new(name)?;
        log.append(&[], &PublishOptions::new().and(Control::Fence(token)))?;
        let log = Arc::clone(log);
        Ok(Writer { log, token })
    }

    fn write(&self, value: &str) -> Result<u64> {
        let how = PublishOptions::new().token(self.token);
        let ack = self.log.append(&[NewMessage::value(value.as_bytes())], &how)?;
        Ok(ack.start.offset)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-fencing-{}", std::process::id()));
    // With `require_token`, a writer that forgets its token is refused as well.
    let log = Arc::new(Options::new().create_dirs(true).require_token(true).open(&dir)?);

    let old = Writer::take_over(&log, "writer-1")?;
    println!("writer-1 wrote offset {}", old.write("from the first writer")?);

    // The old writer hangs, somebody else takes over, and the old one wakes up.
    let paused = thread::spawn(move || {
        thread::park();
        old.write("too late")
    });
    let new = Writer::take_over(&log, "writer-2")?;
    println!("writer-2 wrote offset {}", new.write("from the second writer")?);
    paused.thread().unpark();
    match paused.join().expect("no panic") {
        Err(Error::Fenced { expected, actual }) => {
            println!("{expected} is fenced off: the log's token is {actual}");
        }
        other => panic!("the old writer was not fenced off: {other:?}"),
    }
    let unmarked = log.publish(&[NewMessage::value(b"without a token")]);
    assert!(matches!(unmarked, Err(Error::Fenced { .. })));

    // Control records take offsets, and are no messages. A read shows them if it is asked to.
    let all = log.read(Start::Oldest, &ReadOptions::new().control(true))?;
    assert_eq!((all.messages.len(), all.controls.len()), (2, 2));
    for record in &all.controls {
        println!("offset {}: {:?}", record.offset, record.control);
    }
    log.close()?;

    // The token outlives the process.
    let log = Options::new().open(&dir)?;
    assert_eq!(log.token()?.as_str(), "writer-2");
    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
