use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::control_support::{assert_fenced, how, read, token};
use super::support::{assert_fails, join, us};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, NewMessage, PublishOptions, ReadOptions, Start, Stop, Trimmed};

pub(super) const CASES: &[Case] = case::list![
    a_box_of_a_log_is_that_log,
    an_arc_of_a_log_is_that_log,
    a_reference_to_a_log_is_that_log,
    pointers_to_pointers_to_a_log_are_that_log,
    clones_of_an_arc_share_the_log,
    a_log_can_be_moved_to_another_thread,
    a_log_can_be_used_as_a_trait_object,
];

pub(super) const CASES_CONTROL: &[Case] = case::list![control:
    control_through_a_box_is_that_of_the_log,
    control_through_an_arc_is_that_of_the_log,
    control_through_a_reference_is_that_of_the_log,
    control_through_pointers_to_pointers_is_that_of_the_log,
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
    let ack = log.append(&[], &PublishOptions::new()).unwrap();
    assert_eq!((ack.start, ack.tail), (same.tail().unwrap(), log.tail().unwrap()));
    assert_eq!(log.is_sealed().unwrap(), same.is_sealed().unwrap());
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
        let how = ReadOptions::new().max_count(2).until_offset(2);
        assert_eq!(log.read(from, &how).unwrap(), same.read(from, &how).unwrap());
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
    assert_eq!(log.wait_synced(3, None).unwrap(), 3);
    assert_eq!(log.stat().unwrap(), same.stat().unwrap());
    if let Ok(position) = same.position() {
        assert_eq!(log.position().unwrap(), position);
        assert_eq!(log.position_at(1).unwrap(), same.position_at(1).unwrap());
        assert_eq!(log.resume(position).unwrap(), Start::At(3));
    }
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

/// The same for what not every log has. A pointer that forgets a call answers that the log does not
/// support it, or with less than was asked for.
fn tour_of_control<L: Log>(log: L, same: &dyn Log) {
    let message = [NewMessage::new(b"key", b"value").time(us(5))];
    let (a, b) = (token("a"), token("b"));
    let fencing = how().and(Control::Fence(a));
    assert_eq!(log.append(&message, &fencing).unwrap().end.offset, 2);
    assert_eq!((log.token().unwrap(), same.token().unwrap()), (a, a));
    assert_fenced(same, "b", "a", || log.append(&message, &how().token(b)));
    assert_fenced(same, "b", "a", || log.publish_with(&message, &how().token(b)));
    let expecting = how().expect_key(b"key", Some(0)).producer(7, 1);
    let first = log.append(&message, &expecting).unwrap();
    let again = log.append(&message, &how().producer(7, 1)).unwrap();
    assert_eq!((again, same.stat().unwrap().producers), (first.duplicate(), 1));
    let showing = ReadOptions::new().control(true);
    let shown = read(&log, Start::Oldest, &showing);
    assert_eq!(shown, read(same, Start::Oldest, &showing));
    assert_eq!((shown.messages.len(), shown.controls.len()), (2, 1));
    assert_eq!(log.tail().unwrap(), same.tail().unwrap());
    let none = log.wait_synced(9, Some(Duration::ZERO)).unwrap();
    assert!(none <= 3);
    let sealing = how().and(Control::Trim(1)).and(Control::Seal);
    assert_eq!(log.publish_with(&[], &sealing).unwrap(), 5);
    assert!(log.is_sealed().unwrap() && same.is_sealed().unwrap());
    assert_fails!(log.publish(&message), Error::Sealed);
    assert_eq!(log.read(Start::Newest, &showing).unwrap().stopped, Stop::Sealed);
    assert_eq!(
        (log.start_offset().unwrap(), same.start_offset().unwrap()),
        (1, 1)
    );
}

fn control_through_a_box_is_that_of_the_log(new: Factory<'_>) {
    let shared: Arc<dyn Log> = Arc::from(new(Setup::INDEXED));
    tour_of_control::<Box<dyn Log>>(Box::new(Arc::clone(&shared)), &*shared);
}

fn control_through_an_arc_is_that_of_the_log(new: Factory<'_>) {
    let shared: Arc<dyn Log> = Arc::from(new(Setup::INDEXED));
    tour_of_control::<Arc<dyn Log>>(Arc::clone(&shared), &*shared);
}

fn control_through_a_reference_is_that_of_the_log(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    tour_of_control::<&dyn Log>(&*log, &*log);
}

fn control_through_pointers_to_pointers_is_that_of_the_log(new: Factory<'_>) {
    let shared: Arc<dyn Log> = Arc::from(new(Setup::INDEXED));
    let pointer: Box<dyn Log> = Box::new(Arc::clone(&shared));
    tour_of_control::<Arc<Box<&Box<dyn Log>>>>(Arc::new(Box::new(&pointer)), &*shared);
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
