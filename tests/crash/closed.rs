//! A log that was closed after a call has failed.

use duramen::fault::{Errno, Fault, SimDisk};
use duramen::{Log, NewMessage, Options, Start};

/// Goal: a log that could be closed opens again, whatever failed before. Method: each call of the first publish after
/// opening fails, once or from then on; then nothing fails, and the log is closed.
#[test]
fn what_was_closed_after_a_failed_publish_opens() {
    for errno in [Errno::Eio, Errno::Enospc] {
        for from_then_on in [false, true] {
            let mut index = 0;
            loop {
                let disk = SimDisk::new(1);
                let options = Options::new().create_dirs(true).background(false).storage(&disk);
                let log = options.open("/log").expect("a log");
                log.publish(&[NewMessage::value(b"one")]).expect("published");
                log.close().expect("closed");

                let log = options.open("/log").expect("opened");
                disk.inject(Fault {
                    errno,
                    call: None,
                    index,
                    from_then_on,
                });
                let published = log.publish(&[NewMessage::value(b"two")]);
                disk.heal();
                let closed = log.close();
                let found = options
                    .open("/log")
                    .and_then(|log| log.consume(Start::Oldest, 10));
                let found = found.map(|batch| batch.messages.len());
                let is_right = match &found {
                    Ok(1) => published.is_err(),
                    Ok(2) => true,
                    _ => false,
                };
                assert!(
                    is_right,
                    "{errno:?} at {index}: {published:?}, {closed:?}, {found:?}"
                );
                if disk.faults_hit() == 0 {
                    break;
                }
                index += 1;
            }
        }
    }
}
