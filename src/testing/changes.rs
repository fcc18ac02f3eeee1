use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{assert_fails, join, publish_one};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start};

/// For logs that announce their changes. Other logs pass.
pub(super) const CASES: &[Case] = case::list![
    a_publish_wakes_those_who_wait,
    each_publish_wakes_those_who_wait,
    a_publish_through_one_pointer_wakes_those_who_wait_at_another,
    close_wakes_those_who_wait,
    a_new_log_is_not_poisoned,
];

/// Far longer than waking a reader takes.
const LONG: Duration = Duration::from_secs(5);

const MESSAGE: NewMessage<'static> = NewMessage::value(b"value");

/// Waits in another thread until `check` returns `Some`. Then makes `change`, which must wake the
/// waiter.
fn wakes<T: Send>(
    log: &dyn Log,
    check: impl Fn(&dyn Log) -> Option<T> + Sync,
    change: impl FnOnce(),
) -> Option<T> {
    thread::scope(|scope| {
        let changes = log.changes()?;
        let (checked, has_checked) = mpsc::channel();
        let check = &check;
        let waiter = scope.spawn(move || {
            let begun = Instant::now();
            let found = changes.wait_until(Some(begun + LONG), || {
                let found = check(log);
                let _ = checked.send(());
                found
            });
            assert!(begun.elapsed() < LONG, "a change does not wake waiting readers");
            found
        });
        // After the first check, any change must wake the waiter. The pause lets it fall asleep; if
        // it is still awake, the case passes as well.
        let _ = has_checked.recv();
        thread::sleep(Duration::from_millis(5));
        change();
        let found = join(waiter);
        assert!(found.is_some(), "a woken reader does not see the change");
        found
    })
}

fn message_behind(log: &dyn Log, at: u64) -> Option<u64> {
    let batch = log.consume(Start::At(at), 1).unwrap();
    batch.messages.first().map(|message| message.offset)
}

fn a_publish_wakes_those_who_wait(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let found = wakes(
        &log,
        |log| message_behind(log, 0),
        || {
            log.publish(&[MESSAGE]).unwrap();
        },
    );
    assert!(found.is_none_or(|offset| offset == 0));
}

fn each_publish_wakes_those_who_wait(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for offset in 0..10 {
        wakes(
            &log,
            |log| message_behind(log, offset),
            || {
                publish_one(&log, MESSAGE);
            },
        );
    }
}

fn a_publish_through_one_pointer_wakes_those_who_wait_at_another(new: Factory<'_>) {
    let log: Arc<dyn Log> = Arc::from(new(Setup::PLAIN));
    let pointer: Box<dyn Log> = Box::new(Arc::clone(&log));
    assert_eq!(log.changes().is_some(), pointer.changes().is_some());
    wakes(
        &&pointer,
        |log| message_behind(log, 0),
        || {
            publish_one(&*log, MESSAGE);
        },
    );
    wakes(
        &log,
        |log| message_behind(log, 1),
        || {
            publish_one(&*pointer, MESSAGE);
        },
    );
}

fn close_wakes_those_who_wait(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    wakes(&log, |log| log.next_offset().err(), || log.close().unwrap());
    if log.changes().is_some() {
        assert_fails!(log.next_offset(), Error::Closed);
    }
}

fn a_new_log_is_not_poisoned(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_one(&log, MESSAGE);
    assert!(!log.changes().is_some_and(crate::Changes::is_poisoned));
}
