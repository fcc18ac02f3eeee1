//! Producers in async code, with tokio and without any runtime.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use duramen::{Log, MemoryLog, NewMessage, TLog, TNewMessage, TProducer, codec};

use super::{MOMENT, eager, lazy, offset, own, probed, producer, small};
use crate::executor::block_on;

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    (Arc::clone(&count), Waker::from(count))
}

#[test]
fn sending_and_waiting_need_no_runtime() {
    let (_, producer) = probed(eager().in_flight_max(10));
    let offsets = block_on(async {
        let mut offsets = Vec::new();
        for _ in 0..100 {
            let ticket = producer.send_async(small()).await?;
            offsets.push(ticket.await?.0);
        }
        Ok::<_, duramen::Error>(offsets)
    });
    assert!(offsets.expect("no failure").into_iter().eq(0..100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_of_tokio_send_and_wait() {
    let log = Arc::new(MemoryLog::new());
    let producer = Arc::new(producer(Arc::clone(&log), eager().in_flight_max(500)));
    let tasks: Vec<_> = (0..1_000_u32)
        .map(|number| {
            let producer = Arc::clone(&producer);
            tokio::spawn(async move {
                let value = number.to_be_bytes();
                let ticket = producer.send_async(NewMessage::value(&value)).await?;
                ticket.await
            })
        })
        .collect();
    let mut offsets = Vec::new();
    for task in tasks {
        offsets.push(task.await.expect("no panic").expect("acked").0);
    }
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(0..1_000));
    assert_eq!(log.next_offset().expect("open"), 1_000);
}

#[tokio::test]
async fn a_typed_producer_sends_from_tasks() {
    let log = TLog::new(Arc::new(MemoryLog::new()), codec::U64, codec::Utf8);
    let producer = Arc::new(TProducer::new(log.clone(), eager().in_flight_max(40)).expect("valid options"));
    let tasks: Vec<_> = (0..50_u64)
        .map(|key| {
            let producer = Arc::clone(&producer);
            tokio::spawn(async move {
                let value = "x".repeat(usize::try_from(key % 20).expect("small"));
                let ticket = producer.send_async(TNewMessage::new(&key, &value)).await?;
                Ok::<_, duramen::Error>((key, ticket.await?.0))
            })
        })
        .collect();
    for task in tasks {
        let (key, offset) = task.await.expect("no panic").expect("acked");
        assert_eq!(log.get_by_key(&key).expect("there").offset, offset);
    }
}

#[test]
fn a_task_waits_for_room() {
    let (probe, producer) = probed(eager().in_flight_max(10));
    probe.shut();
    let first = producer.send(small()).expect("sent");
    let (count, waker) = counting();
    let mut context = Context::from_waker(&waker);
    let mut sending = Box::pin(producer.send_async(small()));
    assert!(sending.as_mut().poll(&mut context).is_pending());
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    probe.open();
    assert_eq!(offset(first), 0);
    assert_eq!(offset(block_on(sending).expect("sent")), 1);
    assert!(count.0.load(Ordering::SeqCst) <= 1);
}

#[test]
fn a_send_that_is_cancelled_sends_nothing_and_is_in_nobodys_way() {
    let (probe, producer) = probed(eager().in_flight_max(10));
    probe.shut();
    let first = producer.send(small()).expect("sent");
    let (count, waker) = counting();
    for _ in 0..10 {
        let mut sending = Box::pin(producer.send_async(NewMessage::value(b"no")));
        assert!(
            sending
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    thread::scope(|scope| {
        let sending = scope.spawn(|| producer.send(small()).expect("sent").wait());
        thread::sleep(MOMENT);
        probe.open();
        assert_eq!(offset(first), 0);
        assert_eq!(sending.join().expect("no panic").expect("acked").0, 1);
    });
    producer.close().expect("closed");
    assert_eq!(
        count.0.load(Ordering::SeqCst),
        0,
        "nobody wakes a task that has gone"
    );
    assert_eq!(probe.log.next_offset().expect("open"), 2);
}

#[test]
fn a_ticket_wakes_the_task_that_polled_it_last() {
    let (_, producer) = probed(lazy());
    let mut ticket = producer.send(small()).expect("sent");
    let ((first, first_waker), (second, second_waker)) = (counting(), counting());
    for waker in [&first_waker, &second_waker] {
        assert!(
            pin!(&mut ticket)
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    producer.flush().expect("flushed");
    assert_eq!(first.0.load(Ordering::SeqCst), 0);
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    assert_eq!(block_on(ticket).expect("acked").0, 0);
}

#[test]
fn a_ticket_that_is_dropped_wakes_nobody() {
    let (_, producer) = probed(lazy());
    let (count, waker) = counting();
    let mut ticket = producer.send(small()).expect("sent");
    assert!(
        pin!(&mut ticket)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(ticket);
    producer.flush().expect("flushed");
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
}

#[test]
fn a_failure_reaches_tasks() {
    let (probe, producer) = probed(eager().in_flight_max(10));
    probe.hook(|_| Err(super::probe::no_space()));
    probe.shut();
    let first = producer.send(small()).expect("sent");
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(MOMENT);
            probe.open();
        });
        super::behind(block_on(producer.send_async(small())));
    });
    own(block_on(first));
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Panics>) {
        // Quietly.
        std::panic::resume_unwind(Box::new(()));
    }
}

#[test]
fn a_task_that_panics_when_it_is_woken_does_not_end_the_producer() {
    let (_, producer) = probed(lazy());
    let waker = Waker::from(Arc::new(Panics));
    let mut ticket = producer.send(small()).expect("sent");
    assert!(
        pin!(&mut ticket)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    producer.flush().expect("flushed");
    let next = producer.send(small()).expect("sent");
    producer.flush().expect("flushed");
    assert_eq!(offset(next), 1);
    assert!(ticket.wait_timeout(Duration::ZERO).expect("acked").is_some());
}
