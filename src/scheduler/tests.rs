use std::collections::HashMap;
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::queue::{Queue, State};
use super::{Lane, Scheduler, Turn, Worker};

const LANE: Lane = Lane::FileSystem(1);
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A worker that reports its turns. Number 0 waits in its urgent ones until it is released.
struct Teller(mpsc::Sender<(u32, Turn)>, u32, Arc<Mutex<()>>);

impl Worker for Teller {
    fn turn(&self, kind: Turn) {
        let _ = self.0.send((self.1, kind));
        if kind == Turn::Urgent && self.1 == 0 {
            drop(self.2.lock());
        }
        assert!(self.1 != 9, "a planted panic");
    }
}

fn worker(tell: &mpsc::Sender<(u32, Turn)>, number: u32) -> (Arc<dyn Worker>, Weak<dyn Worker>) {
    held_worker(tell, number, &Arc::default())
}

fn held_worker(
    tell: &mpsc::Sender<(u32, Turn)>,
    number: u32,
    hold: &Arc<Mutex<()>>,
) -> (Arc<dyn Worker>, Weak<dyn Worker>) {
    let worker: Arc<dyn Worker> = Arc::new(Teller(tell.clone(), number, Arc::clone(hold)));
    let weak = Arc::downgrade(&worker);
    (worker, weak)
}

/// Goal: turns come by urgency, and timed ones by their time, not in the order of asking; an
/// ordinary one comes after each timed one. Method: all are asked for while the thread is held
/// in a turn, which ends when the timed ones are due.
#[test]
fn turns_come_by_urgency_and_time() {
    let (tell, told) = mpsc::channel();
    let (scheduler, hold) = (Scheduler::new(), Arc::default());
    let (workers, members): (Vec<_>, Vec<_>) = (0..4)
        .map(|number| {
            let (worker, weak) = held_worker(&tell, number, &hold);
            (worker, scheduler.join(LANE, weak))
        })
        .unzip();
    let busy = hold.lock();
    assert!(members[0].ask(Turn::Urgent));
    assert_eq!(told.recv(), Ok((0, Turn::Urgent)));
    let now = Instant::now();
    assert!(members[1].ask(Turn::Ordinary));
    assert!(members[2].ask_at(now + Duration::from_millis(2)));
    assert!(members[3].ask_at(now + Duration::from_millis(1)));
    assert!(members[3].ask(Turn::Urgent));
    thread::sleep(Duration::from_millis(3));
    drop(busy);
    let turns: Vec<_> = (0..4).map(|_| told.recv().expect("a turn")).collect();
    let expected = [
        (3, Turn::Urgent),
        (3, Turn::Timed),
        (1, Turn::Ordinary),
        (2, Turn::Timed),
    ];
    assert_eq!(turns, expected);
    drop((members, workers));
}

#[test]
fn a_worker_that_panics_or_is_gone_takes_no_turns_from_others() {
    let (tell, told) = mpsc::channel();
    let scheduler = Scheduler::new();
    let (panicking, weak) = worker(&tell, 9);
    let first = scheduler.join(LANE, weak);
    let (gone, weak) = worker(&tell, 1);
    let second = scheduler.join(LANE, weak);
    let (_staying, weak) = worker(&tell, 2);
    let third = scheduler.join(LANE, weak);
    drop(gone);
    for member in [&first, &second, &third] {
        assert!(member.ask(Turn::Ordinary));
    }
    let turns: Vec<_> = (0..2).map(|_| told.recv().expect("a turn").0).collect();
    assert_eq!(turns, [9, 2]);
    let queue = Arc::clone(&first.queue);
    drop((first, second, third, panicking));
    let state = queue.state.lock();
    assert!(state.thread.is_none() && state.members.is_empty());
}

#[test]
fn logs_of_a_process_share_one() {
    let (first, second) = (Scheduler::of_process(), Scheduler::of_process());
    assert!(Arc::ptr_eq(&first.lanes, &second.lanes));
}

/// The state of a lane with this many members, which is asked directly, without a thread.
fn state_with(members: u64) -> State {
    let queue = Queue::default();
    let (tell, _told) = mpsc::channel();
    for number in 0..members {
        let (_, weak) = worker(&tell, 1);
        assert_eq!(queue.join(weak), number);
    }
    std::mem::take(&mut *queue.state.lock())
}

/// Goal: where a disk cannot keep up with the intervals of all logs, each log has its turn as often
/// as the others. Method: 20 logs that want a turn every 50 ms, of which each takes 10 ms, and
/// ordinary work that never ends, on a clock of the test.
#[test]
fn logs_that_want_more_than_the_disk_can_do_take_turns() {
    const LOGS: u32 = 20;
    let (interval, sync) = (Duration::from_millis(50), Duration::from_millis(10));
    let ordinary_log = u64::from(LOGS);
    let mut state = state_with(ordinary_log + 1);
    let start = Instant::now();
    let (mut now, mut ordinary, mut worst) = (start, 0, Duration::ZERO);
    let mut turns: HashMap<u64, Instant> = (0..ordinary_log).map(|log| (log, start)).collect();
    for log in turns.keys() {
        state.ask_at(*log, start + interval);
    }
    state.ask(ordinary_log, Turn::Ordinary, false);
    while now < start + Duration::from_secs(15) {
        match state.next(now) {
            Some((log, Turn::Timed)) => {
                let last = turns.insert(log, now).expect("a log");
                worst = worst.max(now - last);
                state.ask_at(log, now + interval);
                now += sync;
            }
            Some((log, kind)) => {
                state.ask(log, kind, false);
                ordinary += 1;
                now += sync / 10;
            }
            None => now += sync / 10,
        }
    }
    let unserved = turns.values().map(|last| now - *last).max().expect("20 logs");
    let allowed = (sync + sync / 10) * LOGS + interval;
    assert!(worst.max(unserved) <= allowed, "{worst:?} {unserved:?}");
    assert!(ordinary > 1000, "{ordinary} ordinary turns");
}

/// Goal: urgent work that never ends keeps neither paced syncs nor ordinary work waiting for ever.
#[test]
fn urgent_turns_let_others_through() {
    let mut state = state_with(3);
    let now = Instant::now();
    let mut counts = HashMap::new();
    for _ in 0..1000 {
        state.ask(0, Turn::Urgent, false);
        state.ask_at(1, now);
        state.ask(2, Turn::Ordinary, false);
        let (id, _) = state.next(now).expect("always something");
        *counts.entry(id).or_insert(0) += 1;
    }
    assert_eq!((counts[&0], counts[&1], counts[&2]), (800, 100, 100));
}

/// Goal: a lane in which a turn hangs holds up no other: neither turns nor joining and leaving.
#[test]
fn a_lane_that_hangs_holds_up_no_other() {
    let (tell, told) = mpsc::channel();
    let (scheduler, hold) = (Scheduler::new(), Arc::default());
    let (_hanging, weak) = held_worker(&tell, 0, &hold);
    let stuck = scheduler.join(LANE, weak);
    let busy = hold.lock();
    assert!(stuck.ask(Turn::Urgent));
    assert_eq!(told.recv_timeout(LONG), Ok((0, Turn::Urgent)));
    for lane in [Lane::FileSystem(2), Lane::Telling, Lane::FileSystem(2)] {
        let (_worker, weak) = worker(&tell, 1);
        let member = scheduler.join(lane, weak);
        assert!(member.ask(Turn::Timed));
        assert_eq!(told.recv_timeout(LONG), Ok((1, Turn::Timed)));
    }
    drop(busy);
}

/// Goal: a member that leaves takes with it all that it has asked for. Method: members come and go
/// beside one that stays, while the thread is held in a turn.
#[test]
fn nothing_stays_behind_of_a_member_that_left() {
    let (tell, told) = mpsc::channel();
    let (scheduler, hold) = (Scheduler::new(), Arc::default());
    let (_staying, weak) = held_worker(&tell, 0, &hold);
    let staying = scheduler.join(LANE, weak);
    let busy = hold.lock();
    assert!(staying.ask(Turn::Urgent));
    assert_eq!(told.recv_timeout(LONG), Ok((0, Turn::Urgent)));
    let hour = Instant::now() + Duration::from_secs(3600);
    assert!(staying.ask_at(hour));
    for number in 1..1000 {
        let (_worker, weak) = worker(&tell, number);
        let member = scheduler.join(LANE, weak);
        assert!(member.ask_at(hour) && member.ask(Turn::Ordinary) && member.ask_to_resume());
        assert!(member.ask_at(hour + LONG) && member.ask(Turn::Urgent) && member.ask(Turn::Timed));
        assert_eq!(scheduler.waiting(), (7, 2));
    }
    assert_eq!(scheduler.waiting(), (1, 1));
    drop(busy);
}

/// Goal: a thread that the system refused is asked for again a while later, not at once.
#[test]
fn a_thread_that_was_refused_is_tried_again() {
    let (tell, told) = mpsc::channel();
    let scheduler = Scheduler::new();
    let (_worker, weak) = worker(&tell, 1);
    let member = scheduler.join(LANE, weak);
    member.queue.state.lock().refused = Some(Instant::now() + LONG);
    assert!(!member.ask(Turn::Ordinary));
    member.queue.state.lock().refused = Instant::now().checked_sub(Duration::from_secs(2));
    assert!(member.ask(Turn::Ordinary));
    assert_eq!(told.recv_timeout(LONG), Ok((1, Turn::Ordinary)));
    assert_eq!(scheduler.waiting(), (0, 1));
}
