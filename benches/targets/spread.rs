//! The limits of publishing to many logs: the same bytes in many files, with code that does only
//! that.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::Outcome;
use crate::commit::{RECORD_LEN, build, space};
use crate::limit::{LONE, Reserved, put, read};
use crate::measure::nanos_each;
use crate::workload::{Workload, ensure, mix, time};

/// Which of so many files or streams message `number` goes to: any.
#[inline]
pub(crate) fn any_of(count: u64, number: u64) -> usize {
    (mix(number) % count) as usize
}

/// The nanoseconds that it takes to store one record into one of so many mapped files, drawn at
/// random. This process has accessed all pages before. Before it goes on, it waits until the record
/// is stored, as everybody does who lets go of a lock.
pub(crate) fn store(dir: &Path, workload: &Workload, files: u64, messages: u64) -> Outcome<f64> {
    // Nobody gets twice the mean, with a margin for small means.
    let len = (2 * messages / files + 64) as usize * RECORD_LEN;
    let mut maps = Vec::new();
    for _ in 0..files {
        let mut reserved = Reserved::create(dir, len)?;
        let pages = reserved.map.iter_mut().step_by(4096);
        pages.for_each(|byte| *byte = std::hint::black_box(1));
        maps.push((reserved, 0));
    }
    let start = Instant::now();
    for number in 0..messages {
        let (file, at) = &mut maps[any_of(files, number)];
        let (key, value) = (workload.key(number), workload.value(number));
        *at += put::<LONE>(&mut file.map[*at..], number, time(number), key, value);
        fence(Ordering::SeqCst);
    }
    let nanos = nanos_each(start, messages);
    let stored: usize = maps.iter().map(|(_, at)| at).sum();
    ensure(
        stored == messages as usize * RECORD_LEN,
        "the limit stored another number of bytes",
    )?;
    Ok(nanos)
}

/// Files whose records one thread brings to stable storage for all: by one call, which writes all
/// that is dirty in their file system.
#[derive(Debug)]
pub(crate) struct WholeCommit {
    files: Vec<File>,
    state: Mutex<Rounds>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    written: u64,
    durable: u64,
    is_syncing: bool,
}

impl WholeCommit {
    /// Space for this many messages, in each of so many files.
    pub(crate) fn new(dir: &Path, files: usize, messages: u64) -> Outcome<WholeCommit> {
        let files: Outcome<Vec<File>> = (0..files).map(|_| space(dir, messages)).collect();
        Ok(WholeCommit {
            files: files?,
            state: Mutex::default(),
            done: Condvar::new(),
        })
    }

    /// Stores the record of message `number` into the file `at` and returns when it is durable.
    pub(crate) fn publish(&self, workload: &Workload, at: usize, number: u64) -> Outcome {
        let mut record = [0; RECORD_LEN];
        build(&mut record, workload, number);
        self.files[at].write_all_at(&record, number * RECORD_LEN as u64)?;
        let mut state = self.state.lock();
        state.written += 1;
        let ours = state.written;
        while state.durable < ours {
            if state.is_syncing {
                self.done.wait(&mut state);
                continue;
            }
            state.is_syncing = true;
            let written = state.written;
            drop(state);
            let synced = rustix::fs::syncfs(&self.files[0]);
            state = self.state.lock();
            state.is_syncing = false;
            // After a failure the others may go, as the whole run fails.
            state.durable = if synced.is_ok() { written } else { u64::MAX };
            self.done.notify_all();
            synced?;
        }
        Ok(())
    }

    /// Checks that a message is stored in the file `at`.
    pub(crate) fn finish(self, at: usize, number: u64) -> Outcome {
        let mut bytes = [0; RECORD_LEN];
        self.files[at].read_exact_at(&mut bytes, number * RECORD_LEN as u64)?;
        ensure(
            read::<LONE>(&bytes, number).is_some(),
            "the limit stored a bad record",
        )
    }
}
