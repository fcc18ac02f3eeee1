use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::support::{assert_fails, join, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, PublishOptions, Start, Trimmed};

pub(super) const CASES: &[Case] = case::list![
    a_box_of_a_log_is_that_log,
    an_arc_of_a_log_is_that_log,
    a_reference_to_a_log_is_that_log,
    pointers_to_pointers_to_a_log_are_that_log,
    clones_of_an_arc_share_the_log,
    a_log_can_be_moved_to_another_thread,
    a_log_can_be_used_as_a_trait_object,
];

/// Makes every call of the trait through `log` and compares it with the same call through `same`.
fn tour<L: Log>(log: L, same: &dyn Log) {
    let message = NewMessage::new(b"key", b"value").time(us(5));
    assert_eq!(log.publish(&[message, message]).unwrap(), 2);
    let how = PublishOptions::new().expect_next_offset(2);
    assert_eq!(log.publish_with(&[message], &how).unwrap(), 3);
    assert_fails!(
        log.publish_with(&[message], &how),
        Error::OffsetMismatch { actual: 3, .. }
    );
    assert_eq!(log.start_offset().unwrap(), same.start_offset().unwrap());
    assert_eq!((log.next_offset().unwrap(), same.next_offset().unwrap()), (3, 3));
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(1),
        Start::Time(us(5)),
        Start::Last(2),
    ] {
        assert_eq!(log.consume(from, 1).unwrap(), same.consume(from, 1).unwrap());
        let by_key = log.consume_by_key(b"key", from, 1).unwrap();
        assert_eq!(by_key, same.consume_by_key(b"key", from, 1).unwrap());
        assert_eq!(log.get(from).unwrap(), same.get(from).unwrap());
    }
    assert_eq!(log.get_by_key(b"key").unwrap(), same.get_by_key(b"key").unwrap());
    assert_eq!(log.offset_by_key(b"key").unwrap(), 2);
    assert_eq!(log.get_by_time(us(1)).unwrap(), same.get_by_time(us(1)).unwrap());
    assert_eq!(log.offset_by_time(us(1)).unwrap(), (0, us(5)));
    assert_eq!(
        log.offset_by_age(Duration::MAX).unwrap(),
        same.offset_by_age(Duration::MAX).unwrap()
    );
    assert_eq!(log.size(&message), same.size(&message));
    assert_eq!(log.sync().unwrap(), 3);
    assert_eq!(log.stat().unwrap(), same.stat().unwrap());
    log.gc(Duration::ZERO).unwrap();
    assert_eq!(log.apply_retention(false).unwrap(), Trimmed::default());
    assert_eq!(log.delete(&BTreeSet::from([1])).unwrap().messages, 1);
    assert_eq!(log.delete_some(&mut BTreeSet::from([1])).unwrap().messages, 0);
    assert_eq!(log.trim(2).unwrap().count, 1);
    assert_eq!(
        (same.start_offset().unwrap(), same.next_offset().unwrap()),
        (2, 3)
    );
    log.close().unwrap();
    assert_fails!(same.next_offset(), Error::Closed);
}

fn a_box_of_a_log_is_that_log(new: Factory<'_>) {
    let shared: Arc<dyn Log> = Arc::from(new(Setup::INDEXED));
    tour::<Box<dyn Log>>(Box::new(Arc::clone(&shared)), &*shared);
}

fn an_arc_of_a_log_is_that_log(new: Factory<'_>) {
    let shared: Arc<dyn Log> = Arc::from(new(Setup::INDEXED));
    tour::<Arc<dyn Log>>(Arc::clone(&shared), &*shared);
}

fn a_reference_to_a_log_is_that_log(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    tour::<&dyn Log>(&*log, &*log);
}

fn pointers_to_pointers_to_a_log_are_that_log(new: Factory<'_>) {
    let shared: Arc<dyn Log> = Arc::from(new(Setup::INDEXED));
    let pointer: Box<dyn Log> = Box::new(Arc::clone(&shared));
    tour::<Arc<Box<&Box<dyn Log>>>>(Arc::new(Box::new(&pointer)), &*shared);
}

fn clones_of_an_arc_share_the_log(new: Factory<'_>) {
    let log: Arc<dyn Log> = Arc::from(new(Setup::PLAIN));
    let clone = Arc::clone(&log);
    clone.publish(&[NewMessage::value(b"0")]).unwrap();
    log.publish(&[NewMessage::value(b"1")]).unwrap();
    assert_eq!(clone.next_offset().unwrap(), 2);
    drop(log);
    assert_eq!(clone.publish(&[NewMessage::value(b"2")]).unwrap(), 3);
    clone.close().unwrap();
}

fn a_log_can_be_moved_to_another_thread(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.publish(&[NewMessage::value(b"0")]).unwrap();
    let log = thread::scope(|scope| {
        join(scope.spawn(move || {
            log.publish(&[NewMessage::value(b"1")]).unwrap();
            log
        }))
    });
    assert_eq!(log.next_offset().unwrap(), 2);
}

fn a_log_can_be_used_as_a_trait_object(new: Factory<'_>) {
    fn next_offset(log: &(impl Log + ?Sized)) -> u64 {
        log.next_offset().unwrap()
    }
    let logs: Vec<Box<dyn Log>> = vec![new(Setup::PLAIN), new(Setup::INDEXED)];
    for log in &logs {
        log.publish(&[NewMessage::value(b"0")]).unwrap();
        assert_eq!((next_offset(log), next_offset(&**log)), (1, 1));
    }
}
