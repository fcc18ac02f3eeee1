//! One thread for all logs of the process: prepares space, seals segments, syncs at a pace.
//!
//! Everything it does a publisher can do too; it only takes the waiting away. It runs from the first job on, while a
//! log is open that uses it, and is joined when the last of them is closed.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    urgent: VecDeque::new(),
    timed: Vec::new(),
    jobs: VecDeque::new(),
    users: 0,
    thread: None,
    may_start: false,
});
static CHANGED: Condvar = Condvar::new();

struct Queue {
    /// Jobs that somebody may soon have to wait for: they come before all others, also before the rest of a long one.
    urgent: VecDeque<Job>,
    /// Come next when it is their time, also before the rest of a job that holds no lock they need.
    timed: Vec<(Instant, Job)>,
    jobs: VecDeque<Job>,
    users: usize,
    thread: Option<JoinHandle<()>>,
    /// Whether it has not been tried to start the thread since a log was opened.
    may_start: bool,
}

/// A log's part in the background thread.
pub(crate) struct Background(());

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Background")
    }
}

impl Background {
    /// From now on the thread may be asked for something. It is started by the first who does.
    pub(crate) fn join_in() -> Background {
        let mut queue = QUEUE.lock();
        queue.users += 1;
        queue.may_start = true;
        Background(())
    }

    /// Has the thread do `job` after what was asked of it before; false if there is no thread.
    #[expect(clippy::unused_self, reason = "only who has a handle may ask for something")]
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        add(|queue| queue.jobs.push_back(Box::new(job)))
    }

    /// Has the thread do `job` as soon as it can, also in the pauses of long ones; false if there is no thread.
    #[expect(clippy::unused_self, reason = "only who has a handle may ask for something")]
    pub(crate) fn submit_urgent(&self, job: impl FnOnce() + Send + 'static) -> bool {
        add(|queue| queue.urgent.push_back(Box::new(job)))
    }

    /// For long jobs to call now and then: does what is urgent.
    pub(crate) fn pause() {
        do_meanwhile(|queue| queue.urgent.pop_front());
    }

    /// As [`pause`](Background::pause), and what is to be done by now. That syncs logs: whoever calls this holds none
    /// of the locks that come after `removal`.
    pub(crate) fn pause_for_syncs() {
        do_meanwhile(|queue| queue.urgent.pop_front().or_else(|| queue.due()));
    }

    /// Has the thread do `job` at `time`; false if there is none.
    #[expect(clippy::unused_self, reason = "only who has a handle may ask for something")]
    pub(crate) fn submit_at(&self, time: Instant, job: impl FnOnce() + Send + 'static) -> bool {
        add(|queue| queue.timed.push((time, Box::new(job))))
    }
}

impl Queue {
    /// Starts the thread if it does not run; false if there is none. Where the system has no thread to give, jobs stay
    /// undone, which costs only speed, and it is asked again when another log is opened.
    fn has_thread(&mut self) -> bool {
        if self.thread.is_none() && std::mem::take(&mut self.may_start) {
            self.thread = thread::Builder::new().name("duramen".to_owned()).spawn(work).ok();
        }
        self.thread.is_some()
    }

    /// A job whose time has come.
    fn due(&mut self) -> Option<Job> {
        let now = Instant::now();
        let due = self.timed.iter().position(|(time, _)| *time <= now)?;
        Some(self.timed.swap_remove(due).1)
    }

    /// Whether this is the thread that does the jobs.
    fn is_run_here(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let mut queue = QUEUE.lock();
        queue.users -= 1;
        if queue.users > 0 {
            return;
        }
        queue.may_start = false;
        let thread = queue.thread.take();
        // Nobody is left to wait for what was asked; the jobs may hold files.
        let undone = (
            std::mem::take(&mut queue.urgent),
            std::mem::take(&mut queue.jobs),
            std::mem::take(&mut queue.timed),
        );
        drop(queue);
        drop(undone);
        CHANGED.notify_one();
        // The last handle may be let go of by a job, on that very thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

/// Has `add` add a job, if there is a thread to do it.
fn add(add: impl FnOnce(&mut Queue)) -> bool {
    let mut queue = QUEUE.lock();
    let is_there = queue.has_thread();
    if is_there {
        add(&mut queue);
        CHANGED.notify_one();
    }
    is_there
}

/// Does jobs as long as there are any, on the thread that does the jobs.
fn do_meanwhile(next: impl Fn(&mut Queue) -> Option<Job>) {
    loop {
        let mut queue = QUEUE.lock();
        if !queue.is_run_here() {
            return;
        }
        let Some(job) = next(&mut queue) else {
            return;
        };
        drop(queue);
        run(job);
    }
}

/// A job that panics must not take the thread, and with it all other logs' jobs, along.
fn run(job: Job) {
    let _ = catch_unwind(AssertUnwindSafe(job));
}

fn work() {
    let mut queue = QUEUE.lock();
    loop {
        // Another thread has taken over if logs were closed and opened again meanwhile.
        if !queue.is_run_here() {
            return;
        }
        let first = queue.urgent.pop_front().or_else(|| queue.due());
        if let Some(job) = first.or_else(|| queue.jobs.pop_front()) {
            parking_lot::MutexGuard::unlocked(&mut queue, || run(job));
        } else if let Some(next) = queue.timed.iter().map(|(time, _)| *time).min() {
            CHANGED.wait_until(&mut queue, next);
        } else {
            CHANGED.wait(&mut queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Goal: a sync that is due does not wait for a long job. Method: one that only ends when the sync was made.
    #[test]
    fn what_is_due_is_done_in_the_pauses_of_a_long_job() {
        let background = Background::join_in();
        let (tell, told) = mpsc::channel();
        let is_done = Arc::new(AtomicBool::new(false));
        background.submit(move || {
            let due = Arc::clone(&is_done);
            let also = Background::join_in();
            also.submit_at(Instant::now(), move || due.store(true, Ordering::Relaxed));
            Background::pause();
            let is_early = is_done.load(Ordering::Relaxed);
            Background::pause_for_syncs();
            let _ = tell.send((is_early, is_done.load(Ordering::Relaxed)));
        });
        let seen = told.recv_timeout(Duration::from_secs(60));
        assert_eq!(seen, Ok((false, true)));
    }
}
