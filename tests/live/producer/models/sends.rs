//! What senders and the thread of a producer do, at their shortest. Compiled once for each set of primitives.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::{Arc, Notify};
use loom::thread;

use super::outcome::Outcome;
use super::primitives::Watch;
use super::queue::{Pile, Queue, Refused};

models!(
    a_ticket_is_resolved,
    tickets_of_one_batch_are_resolved,
    two_senders_get_their_tickets,
    a_task_gets_its_ticket,
    a_task_that_gave_up_is_in_nobodys_way,
    a_flush_publishes_what_lingers,
    a_flush_waits_for_what_another_has_sent,
    a_sender_gets_room,
    a_sender_gets_room_although_batches_linger,
    a_task_gets_room,
    a_close_publishes_what_lingers,
    a_close_ends_a_thread_without_work,
    a_failure_reaches_a_ticket,
    a_failure_reaches_a_sender_without_room,
    a_failure_reaches_a_flush,
    a_thread_that_forgets_the_rest,
);

/// The result of a batch.
type Sent = StdArc<Outcome<bool>>;

/// Batches of at most so many records of size 1.
struct Records {
    records_max: usize,
    batches: Vec<(Sent, usize)>,
}

impl Records {
    fn new(records_max: usize) -> Records {
        Records {
            records_max,
            batches: Vec::new(),
        }
    }

    fn add(&mut self, begins: bool) -> Sent {
        if begins {
            self.batches.push((StdArc::new(Outcome::new()), 0));
        }
        let (sent, records) = self.batches.last_mut().expect("a batch");
        *records += 1;
        StdArc::clone(sent)
    }
}

impl Pile for Records {
    fn takes(&self, _: u64) -> bool {
        !self.batches.is_empty() && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.batches
            .last()
            .is_some_and(|(_, records)| *records >= self.records_max)
    }

    fn give(&mut self, count: u64, to: &mut Records) {
        assert!(to.batches.is_empty(), "nothing was left");
        let count = usize::try_from(count).expect("a few");
        to.batches = self.batches.drain(..count).collect();
    }
}

#[derive(Clone, Copy, Debug)]
struct Failed;

type Sends = Queue<Records, Failed>;

const AT_ONCE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

/// A queue for batches of one record, and a thread that publishes what is sent.
struct Producer {
    queue: Arc<Sends>,
    thread: thread::JoinHandle<usize>,
}

impl Producer {
    fn new(records_max: usize, linger: Duration, in_flight_max: u64) -> Producer {
        Producer::running(publish_all, records_max, linger, in_flight_max)
    }

    fn running(run: fn(&Sends) -> usize, records_max: usize, linger: Duration, in_flight_max: u64) -> Producer {
        let queue = Arc::new(Queue::new(Records::new(records_max), linger, in_flight_max));
        let own = Arc::clone(&queue);
        let thread = thread::spawn(move || run(&own));
        Producer { queue, thread }
    }

    /// Runs `work` in a thread beside this one.
    fn beside<T: 'static>(&self, work: impl FnOnce(&Sends) -> T + 'static) -> thread::JoinHandle<T> {
        let queue = Arc::clone(&self.queue);
        thread::spawn(move || work(&queue))
    }

    /// Closes the queue and returns how many records were published.
    fn close(self) -> usize {
        self.queue.begin_closing();
        join(self.thread)
    }
}

fn join<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

/// What the thread of a producer does. Returns the number of records.
fn publish_all(queue: &Sends) -> usize {
    let (mut given, mut published) = (Records::new(0), 0);
    while queue.take(&mut given) {
        for (sent, records) in given.batches.drain(..) {
            sent.resolve(true);
            queue.finish(records as u64);
            published += records;
        }
    }
    published
}

/// The thread of a producer whose first batch fails.
fn fail_first(queue: &Sends) -> usize {
    let mut given = Records::new(0);
    if queue.take(&mut given) {
        let mut rest = Records::new(0);
        queue.fail(Failed, &mut rest);
        for (sent, _) in given.batches.into_iter().chain(rest.batches) {
            sent.resolve(false);
        }
    }
    assert!(!queue.take(&mut Records::new(0)), "that is the end");
    0
}

/// Broken: does not resolve what it was not given.
fn fail_given(queue: &Sends) -> usize {
    let mut given = Records::new(0);
    if queue.take(&mut given) {
        queue.fail(Failed, &mut Records::new(0));
        for (sent, _) in given.batches {
            sent.resolve(false);
        }
    }
    0
}

fn send(queue: &Sends) -> Result<Sent, Failed> {
    match queue.add(1, None, |records: &mut Records, begins| records.add(begins)) {
        Ok(sent) => Ok(sent),
        Err(Refused::Failed(failed)) => Err(failed),
        Err(Refused::Full) => panic!("it waits for ever"),
    }
}

fn sent(queue: &Sends) -> Sent {
    send(queue).expect("no failure")
}

fn wait(sent: &Sent) -> bool {
    sent.wait(None).expect("it waits for ever")
}

fn a_ticket_is_resolved() {
    let producer = Producer::new(1, AT_ONCE, 9);
    assert!(wait(&sent(&producer.queue)));
    assert_eq!(producer.close(), 1);
}

fn tickets_of_one_batch_are_resolved() {
    let producer = Producer::new(2, NEVER, 9);
    let first = sent(&producer.queue);
    let waiting = thread::spawn(move || wait(&first));
    assert!(wait(&sent(&producer.queue)));
    assert!(join(waiting));
    assert_eq!(producer.close(), 2);
}

fn two_senders_get_their_tickets() {
    let producer = Producer::new(1, AT_ONCE, 9);
    let other = producer.beside(|queue| wait(&sent(queue)));
    assert!(wait(&sent(&producer.queue)));
    assert!(join(other));
    assert_eq!(producer.close(), 2);
}

/// Wakes a thread that runs a task.
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: StdArc<Alarm>) {
        self.0.notify();
    }
}

fn run_task<T>(mut poll: impl FnMut(&Watch, &Context<'_>) -> Poll<T>) -> T {
    let alarm = StdArc::new(Alarm(Notify::new()));
    let waker = Waker::from(StdArc::clone(&alarm));
    let (watch, context) = (Watch::new(), Context::from_waker(&waker));
    loop {
        match poll(&watch, &context) {
            Poll::Ready(found) => return found,
            Poll::Pending => alarm.0.wait(),
        }
    }
}

fn a_task_gets_its_ticket() {
    let producer = Producer::new(1, AT_ONCE, 9);
    let sent = sent(&producer.queue);
    assert!(run_task(|watch, context| sent.poll(watch, context)));
    assert_eq!(producer.close(), 1);
}

fn a_task_that_gave_up_is_in_nobodys_way() {
    let producer = Producer::new(1, AT_ONCE, 9);
    let sent = sent(&producer.queue);
    let (watch, context) = (Watch::new(), Context::from_waker(Waker::noop()));
    let _ = sent.poll(&watch, &context);
    sent.forget(&watch);
    assert!(wait(&sent));
    assert_eq!(producer.close(), 1);
}

fn a_flush_publishes_what_lingers() {
    let producer = Producer::new(9, NEVER, 9);
    let sent = sent(&producer.queue);
    producer.queue.flush().expect("no failure");
    assert_eq!(sent.get(), Some(true));
    assert_eq!(producer.close(), 1);
}

fn a_flush_waits_for_what_another_has_sent() {
    let producer = Producer::new(1, AT_ONCE, 9);
    let sent = sent(&producer.queue);
    let other = producer.beside(move |queue| {
        queue.flush().expect("no failure");
        sent.get()
    });
    producer.queue.flush().expect("no failure");
    assert_eq!(join(other), Some(true));
    assert_eq!(producer.close(), 1);
}

fn a_sender_gets_room() {
    let producer = Producer::new(1, AT_ONCE, 1);
    let first = sent(&producer.queue);
    let second = sent(&producer.queue);
    assert_eq!(first.get(), Some(true), "it was in the way");
    assert_eq!(producer.close(), 2);
    assert_eq!(second.get(), Some(true));
}

fn a_sender_gets_room_although_batches_linger() {
    let producer = Producer::new(9, NEVER, 1);
    sent(&producer.queue);
    sent(&producer.queue);
    assert_eq!(producer.close(), 2);
}

fn a_task_gets_room() {
    let producer = Producer::new(9, NEVER, 1);
    sent(&producer.queue);
    let added = run_task(|watch, context| {
        let add = |records: &mut Records, begins| records.add(begins);
        producer.queue.poll_add(1, (watch, context), add)
    });
    assert!(added.is_ok());
    assert_eq!(producer.close(), 2);
}

fn a_close_publishes_what_lingers() {
    let producer = Producer::new(9, NEVER, 9);
    let sent = sent(&producer.queue);
    assert_eq!(producer.close(), 1);
    assert_eq!(sent.get(), Some(true));
}

fn a_close_ends_a_thread_without_work() {
    assert_eq!(Producer::new(1, AT_ONCE, 9).close(), 0);
}

fn a_failure_reaches_a_ticket() {
    let producer = Producer::running(fail_first, 1, AT_ONCE, 9);
    assert!(!wait(&sent(&producer.queue)));
    if let Ok(second) = send(&producer.queue) {
        assert!(!wait(&second));
    }
    producer.close();
}

fn a_failure_reaches_a_sender_without_room() {
    let producer = Producer::running(fail_first, 1, AT_ONCE, 1);
    sent(&producer.queue);
    assert!(send(&producer.queue).is_err());
    assert!(producer.queue.failure().is_some());
    producer.close();
}

fn a_failure_reaches_a_flush() {
    let producer = Producer::running(fail_first, 9, NEVER, 9);
    sent(&producer.queue);
    assert!(producer.queue.flush().is_err());
    producer.close();
}

fn a_thread_that_forgets_the_rest() {
    let producer = Producer::running(fail_given, 1, AT_ONCE, 9);
    let other = producer.beside(|queue| send(queue).map(|sent| wait(&sent)));
    let _ = send(&producer.queue).map(|sent| wait(&sent));
    let _ = join(other);
}
