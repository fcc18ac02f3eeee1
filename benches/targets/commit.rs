//! The limits of publishing durably: `pwrite` into space that was written and synced before, then
//! `fdatasync`.
//!
//! A store through a mapping makes the whole folio dirty that it lies in, which may have 256 KiB.
//! `pwrite` makes only the blocks dirty that it writes, so a sync has 4 KiB to write.

use std::fs::File;
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use parking_lot::{Condvar, Mutex};

use crate::Outcome;
use crate::limit::{LONE, put, read, zeros};
use crate::workload::{Check, KEY_LEN, VALUE_LEN, Workload, ensure, time};

/// The length of every record.
pub(crate) const RECORD_LEN: usize = LONE + KEY_LEN + VALUE_LEN;

pub(crate) fn build(space: &mut [u8], workload: &Workload, number: u64) {
    let (key, value) = (workload.key(number), workload.value(number));
    put::<LONE>(space, number, time(number), key, value);
}

/// Space for this many records, written and durable, so that a sync only has to write the records.
pub(crate) fn space(dir: &Path, messages: u64) -> Outcome<File> {
    let file = zeros(dir, messages as usize * RECORD_LEN)?;
    file.sync_all()?;
    Ok(file)
}

/// One thread, which syncs each record.
#[derive(Debug)]
pub(crate) struct LoneCommit {
    file: File,
}

impl LoneCommit {
    pub(crate) fn new(dir: &Path, messages: u64) -> Outcome<LoneCommit> {
        let file = space(dir, messages)?;
        Ok(LoneCommit { file })
    }

    /// Stores the record of message `number` and returns when it is durable.
    pub(crate) fn publish(&self, workload: &Workload, number: u64) -> Outcome {
        let mut record = [0; RECORD_LEN];
        build(&mut record, workload, number);
        self.file.write_all_at(&record, number * RECORD_LEN as u64)?;
        self.file.sync_data()?;
        Ok(())
    }

    /// Checks that the first `messages` are stored.
    pub(crate) fn finish(self, workload: &Workload, messages: u64) -> Outcome {
        let mut bytes = [0; RECORD_LEN];
        for number in 0..messages {
            self.file.read_exact_at(&mut bytes, number * RECORD_LEN as u64)?;
            let record = read::<LONE>(&bytes, number).ok_or("the limit stored a bad record")?;
            let (key, value) = (Some(record.key), Some(record.value));
            ensure(
                workload.matches(Check::Full, number, key, value),
                "the limit stored another message",
            )?;
        }
        Ok(())
    }
}

/// Group commit with a leader: the threads put their records into one buffer. One of them stores
/// all with one `pwrite` and one sync, while the others wait, and those that come meanwhile are the
/// next group.
///
/// The end of a sync wakes its own group, and of the next one only the thread that is to lead it.
/// With 64 threads, waking all of them took a fifth longer, and a third longer if each also wrote
/// its record on its own.
#[derive(Debug)]
pub(crate) struct GroupCommit {
    file: File,
    state: Mutex<CommitState>,
    /// For the members of even groups and for those of odd ones.
    done: [Condvar; 2],
}

#[derive(Debug, Default)]
struct CommitState {
    /// The records of the group that is gathering.
    records: Vec<u8>,
    /// A buffer for the group after it.
    spare: Vec<u8>,
    /// Where these records will be stored.
    at: usize,
    /// The number of the group that is gathering.
    group: usize,
    /// How many groups are durable.
    durable: usize,
    is_syncing: bool,
}

impl GroupCommit {
    pub(crate) fn new(dir: &Path, messages: u64) -> Outcome<GroupCommit> {
        Ok(GroupCommit {
            file: space(dir, messages)?,
            state: Mutex::default(),
            done: [Condvar::new(), Condvar::new()],
        })
    }

    /// Stores the record of message `number` and returns when it is durable.
    pub(crate) fn publish(&self, workload: &Workload, number: u64) -> Outcome {
        let mut state = self.state.lock();
        let start = state.records.len();
        state.records.resize(start + RECORD_LEN, 0);
        build(&mut state.records[start..], workload, number);
        let group = state.group;
        let done = &self.done[group % 2];
        while state.is_syncing || state.group != group {
            done.wait(&mut state);
            if state.durable > group {
                return Ok(());
            }
        }
        state.is_syncing = true;
        state.group += 1;
        let spare = mem::take(&mut state.spare);
        let mut records = mem::replace(&mut state.records, spare);
        let at = state.at;
        state.at += records.len();
        drop(state);
        let stored = self
            .file
            .write_all_at(&records, at as u64)
            .and_then(|()| self.file.sync_data());
        records.clear();
        let mut state = self.state.lock();
        state.spare = records;
        // After a failure the others may go, as the whole run fails.
        state.durable = if stored.is_ok() { group + 1 } else { usize::MAX };
        state.is_syncing = false;
        done.notify_all();
        self.done[(group + 1) % 2].notify_one();
        Ok(stored?)
    }

    /// Checks that so many messages are stored and durable.
    pub(crate) fn finish(self, messages: u64) -> Outcome {
        let state = self.state.into_inner();
        ensure(
            state.records.is_empty() && state.durable == state.group,
            "the limit left something unsynced",
        )?;
        ensure(
            state.at == messages as usize * RECORD_LEN,
            "the limit stored another number of bytes",
        )
    }
}
