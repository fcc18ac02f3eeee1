//! The phases of a benchmark. The latency of a call is the time since the previous call returned,
//! so one clock reading per call is enough. It includes a few nanoseconds for making the batch or
//! choosing the message to get.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{FileLog, Log, Message, NewMessage, Start};
use hdrhistogram::Histogram;

use super::workload::{Random, Workload};
use crate::failure::Failure;
use crate::progress;

/// The measurements of one phase.
pub(crate) struct Measured {
    pub(crate) messages: u64,
    /// The size of the messages' keys, values and headers in bytes.
    pub(crate) content_size: u64,
    pub(crate) elapsed: Duration,
    /// The latency of each call in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

/// An empty histogram of nanoseconds up to an hour, precise to one part in a thousand.
fn histogram() -> Histogram<u64> {
    const HOUR_NANOS: u64 = 3_600_000_000_000;
    Histogram::new_with_bounds(1, HOUR_NANOS, 3).expect("the bounds are valid")
}

/// The measurements of one thread.
struct Part {
    messages: u64,
    content_size: u64,
    latency: Histogram<u64>,
    last: Instant,
}

impl Part {
    fn start() -> Part {
        Part {
            messages: 0,
            content_size: 0,
            latency: histogram(),
            last: Instant::now(),
        }
    }

    /// Records a call that has just returned.
    fn lap(&mut self, messages: u64, content_size: u64) {
        let now = Instant::now();
        let nanos = u64::try_from((now - self.last).as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanos);
        self.last = now;
        self.messages += messages;
        self.content_size += content_size;
    }
}

/// Runs `work` on each of the workload's threads, and adds up their measurements.
fn measure(
    name: &'static str,
    workload: &Workload,
    work: impl Fn(usize) -> Result<Part, Failure> + Sync,
) -> Result<Measured, Failure> {
    let spinner = progress::spinner(name);
    let started = Instant::now();
    let parts: Vec<_> = thread::scope(|scope| {
        // The last share is done here, so that one thread needs no other.
        let others = workload.threads.saturating_sub(1);
        let threads: Vec<_> = (0..others)
            .map(|thread| {
                let work = &work;
                thread::Builder::new().spawn_scoped(scope, move || work(thread))
            })
            .collect();
        let last = work(others);
        let wait = |thread: io::Result<thread::ScopedJoinHandle<'_, _>>| {
            let thread = thread.map_err(|source| Failure::Io {
                operation: "start a thread",
                source,
            })?;
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(wait).chain([last]).collect()
    });
    let mut measured = Measured {
        messages: 0,
        content_size: 0,
        elapsed: started.elapsed(),
        latency: histogram(),
    };
    spinner.finish_and_clear();
    for part in parts {
        let part = part?;
        measured.messages += part.messages;
        measured.content_size += part.content_size;
        let added = measured.latency.add(&part.latency);
        added.expect("the histograms have the same bounds");
    }
    Ok(measured)
}

/// The given thread's share of the numbers up to `count`.
fn share(count: u64, workload: &Workload, thread: usize) -> std::ops::Range<u64> {
    let (thread, threads) = (thread as u64, workload.threads as u64);
    let begin = |thread: u64| count / threads * thread + (count % threads).min(thread);
    begin(thread)..begin(thread + 1)
}

/// Publishes all messages in batches, a range of them on each thread.
pub(crate) fn publish(log: &FileLog, workload: &Workload) -> Result<Measured, Failure> {
    measure("publish", workload, |thread| {
        let numbers = share(workload.messages, workload, thread);
        let mut batch = Vec::with_capacity(workload.batch_len);
        let mut next = numbers.start;
        let mut part = Part::start();
        while next < numbers.end {
            let end = numbers.end.min(next + workload.batch_len as u64);
            batch.clear();
            batch.extend((next..end).map(|number| workload.message(number)));
            log.publish(&batch)?;
            part.lap(end - next, batch.iter().map(NewMessage::content_size).sum());
            next = end;
        }
        Ok(part)
    })
}

/// Syncs the messages that `Durability::Os` has left unsynced.
pub(crate) fn sync(log: &FileLog) -> Result<Measured, Failure> {
    let mut part = Part::start();
    let started = part.last;
    log.sync()?;
    part.lap(0, 0);
    Ok(Measured {
        messages: 0,
        content_size: 0,
        elapsed: part.last - started,
        latency: part.latency,
    })
}

/// Consumes all messages from the oldest to the newest, on every thread.
pub(crate) fn consume(log: &FileLog, workload: &Workload) -> Result<Measured, Failure> {
    measure("consume", workload, |_| {
        let mut from = Start::Oldest;
        let mut part = Part::start();
        loop {
            let batch = log.consume(from, workload.batch_len)?;
            if batch.messages.is_empty() && from == Start::At(batch.next_offset) {
                break;
            }
            from = Start::At(batch.next_offset);
            part.lap(
                batch.messages.len() as u64,
                batch.messages.iter().map(content_size).sum(),
            );
        }
        if part.messages == workload.messages {
            Ok(part)
        } else {
            let (read, written) = (part.messages, workload.messages);
            Err(Failure::Mismatch(format!(
                "consumed {read} of {written} messages"
            )))
        }
    })
}

/// Gets messages by random offsets.
pub(crate) fn get(log: &FileLog, workload: &Workload) -> Result<Measured, Failure> {
    look_up("get", workload, |number| {
        let message = log.get(Start::At(number))?;
        Ok((message.offset == number).then_some(message))
    })
}

/// Gets messages by the keys of random messages.
pub(crate) fn get_by_key(log: &FileLog, workload: &Workload) -> Result<Measured, Failure> {
    look_up("get by key", workload, |number| {
        let key = workload.key(number).unwrap_or_default();
        let message = log.get_by_key(key)?;
        Ok((message.key.as_deref() == Some(key)).then_some(message))
    })
}

/// Gets messages by the times of random messages.
pub(crate) fn get_by_time(log: &FileLog, workload: &Workload) -> Result<Measured, Failure> {
    look_up("get by time", workload, |number| {
        let time = Workload::time(number);
        let message = log.get_by_time(time)?;
        // With several publishers the times are not in order; the message found is the first at
        // which the maximum time reaches this one.
        Ok((message.time >= time).then_some(message))
    })
}

/// Measures lookups. `call` gets the message with a number, or `None` if it found a wrong one.
fn look_up(
    name: &'static str,
    workload: &Workload,
    call: impl Fn(u64) -> duramen::Result<Option<Message>> + Sync,
) -> Result<Measured, Failure> {
    measure(name, workload, |thread| {
        let mut random = Random::new(thread as u64 + 2);
        let mut part = Part::start();
        for _ in share(workload.gets, workload, thread) {
            let number = random.below(workload.messages);
            let message = call(number)?
                .ok_or_else(|| Failure::Mismatch(format!("{name} of {number} found another message")))?;
            part.lap(1, content_size(&message));
        }
        Ok(part)
    })
}

/// Checks, outside the measurement, that the log holds each published message exactly once and
/// unchanged.
pub(crate) fn verify(log: &FileLog, workload: &Workload) -> Result<(), Failure> {
    let spinner = progress::spinner("verify");
    let mismatch = |what: &str, number: u64| Failure::Mismatch(format!("{what} {number} is wrong"));
    let mut is_seen = vec![false; usize::try_from(workload.messages).unwrap_or(usize::MAX)];
    let mut from = Start::Oldest;
    loop {
        let batch = log.consume(from, workload.batch_len)?;
        if batch.messages.is_empty() && from == Start::At(batch.next_offset) {
            break;
        }
        from = Start::At(batch.next_offset);
        for message in &batch {
            let number = workload.number_of(message).and_then(|n| usize::try_from(n).ok());
            match number.and_then(|number| is_seen.get_mut(number)) {
                Some(is_seen) if !*is_seen => *is_seen = true,
                _ => return Err(mismatch("the message at offset", message.offset)),
            }
        }
    }
    if let Some(number) = (0..)
        .zip(&is_seen)
        .find_map(|(number, seen)| (!seen).then_some(number))
    {
        return Err(mismatch("message", number));
    }
    spinner.finish_and_clear();
    Ok(())
}

fn content_size(message: &Message) -> u64 {
    message.as_new().content_size()
}
