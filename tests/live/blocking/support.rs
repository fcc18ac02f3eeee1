use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use duramen::{Batch, BlockingLog, Durability, FileLog, Log, MemoryLog, NewMessage, Options};
use tempfile::TempDir;

use crate::minimal::Minimal;

/// Long enough for a thread that has nothing to wait for, also on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Long enough for a thread to have gone to sleep; if it has not, the test still passes.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(30);

/// A log of any kind: the wrapper, and a handle beside it.
pub(crate) struct Subject {
    pub(crate) log: BlockingLog<Arc<dyn Log>>,
    pub(crate) beside: Arc<dyn Log>,
    pub(crate) name: &'static str,
    _dir: Option<TempDir>,
}

impl Subject {
    fn new(name: &'static str, log: Arc<dyn Log>, dir: Option<TempDir>) -> Subject {
        Subject {
            log: BlockingLog::new(Arc::clone(&log)),
            beside: log,
            name,
            _dir: dir,
        }
    }
}

pub(crate) fn file_log(change: impl FnOnce(Options) -> Options) -> (FileLog, TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options::new().key_index(true).time_index(true);
    let log = change(options).open(dir.path()).expect("a new log");
    (log, dir)
}

/// Runs a test on an empty log of every kind, with indexes.
pub(crate) fn on_each(test: impl Fn(&Subject)) {
    let (os, os_dir) = file_log(|options| options);
    let (each, each_dir) = file_log(|options| options.durability(Durability::EachPublish).rollover(4 << 10));
    for subject in [
        Subject::new("memory", Arc::new(MemoryLog::new()), None),
        Subject::new("silent", Arc::new(Minimal::default()), None),
        Subject::new("file", Arc::new(os), Some(os_dir)),
        Subject::new("file, each publish", Arc::new(each), Some(each_dir)),
    ] {
        println!("{}", subject.name);
        test(&subject);
    }
}

/// A thread that must come to an end by itself.
pub(crate) struct Waiter<T> {
    result: mpsc::Receiver<T>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Waiter<T> {
    /// Starts it, and gives it time to go to sleep.
    pub(crate) fn new(work: impl FnOnce() -> T + Send + 'static) -> Waiter<T> {
        let (sender, result) = mpsc::channel();
        let thread = thread::spawn(move || drop(sender.send(work())));
        thread::sleep(A_MOMENT);
        Waiter { result, thread }
    }

    #[track_caller]
    pub(crate) fn assert_waits(&self) {
        thread::sleep(A_MOMENT);
        assert!(self.result.try_recv().is_err() && !self.thread.is_finished());
    }

    #[track_caller]
    pub(crate) fn join(self) -> T {
        let result = self.result.recv_timeout(LONG).expect("a reader sleeps for ever");
        self.thread.join().expect("no panic");
        result
    }
}

pub(crate) fn publish(log: &dyn Log, value: &str) -> u64 {
    log.publish(&[NewMessage::value(value.as_bytes())])
        .expect("published")
}

pub(crate) fn publish_many(log: &dyn Log, count: usize) {
    log.publish(&vec![NewMessage::value(b"x"); count])
        .expect("published");
}

/// Waits until something holds, which it must soon.
#[track_caller]
pub(crate) fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "it does not come to hold");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn offsets(batch: &Batch) -> Vec<u64> {
    batch.iter().map(|message| message.offset).collect()
}
