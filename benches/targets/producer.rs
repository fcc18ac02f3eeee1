//! P1 and P2: sending through a producer.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use duramen::{AckMode, FileLog, Log as _, Options, Producer, ProducerOptions, PublishOptions, Ticket};

use crate::args::Plan;
use crate::measure::{by_threads, in_turns, nanos_each, on_threads};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, VALUE_LEN, Workload, ensure};
use crate::{Outcome, machine};

const THREADS: u64 = 16;
/// How many messages a thread of P1p has sent and not waited for.
const AHEAD: usize = 64;
/// The number of messages in a batch of P2.
const BATCH_LEN: u64 = 1_000;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let sends = |messages: u64| Sends {
        dir,
        workload: &workload,
        messages,
    };
    let durable = sends((plan.syncs * 4).next_multiple_of(THREADS));
    let many = sends(plan.messages);
    let mut rows = Rows { plan, report };
    rows.add(
        ("P1", Unit::Micros, Target::Ratio(1.11)),
        "send durably, one a call, 16 threads, per message; for limit, batches of 16",
        [&mut |_| durable.durable_batches(), &mut |_| {
            durable.durable_sends()
        }],
    )?;
    rows.add(
        ("P1h", Unit::Micros, Target::None),
        "as P1; for limit, a mutex and a condition variable hand over batches of 16",
        [&mut |_| durable.handed_over(), &mut |_| durable.durable_sends()],
    )?;
    rows.add(
        ("P1p", Unit::Micros, Target::Ratio(1.11)),
        "as P1, each thread 64 messages ahead of the one it waits for; for limit, batches of 16",
        [&mut |_| durable.durable_batches(), &mut |_| {
            durable.durable_sends_ahead()
        }],
    )?;
    rows.add(
        ("P2", Unit::Nanos, Target::None),
        "send, one a call, one thread, per message; for limit, batches of 1,000",
        [&mut |_| many.batches(), &mut |_| many.sends()],
    )
}

struct Rows<'a> {
    plan: &'a Plan,
    report: &'a mut Report,
}

impl Rows<'_> {
    /// Measures a limit and the library in turns, if the row is wanted.
    fn add(
        &mut self,
        (id, unit, target): (&'static str, Unit, Target),
        what: &str,
        turns: [&mut dyn FnMut(Check) -> Outcome<f64>; 2],
    ) -> Outcome {
        if !self.plan.wants(id) {
            return Ok(());
        }
        self.report.begin(id);
        let [limit, library] = in_turns(self.plan.rounds, turns)?;
        self.report.add(Row {
            id,
            what: what.to_owned(),
            unit,
            limit: Some(limit),
            library,
            target,
        });
        Ok(())
    }
}

fn wait(ticket: Option<Ticket>) -> Outcome {
    let waited = ticket.map(Ticket::wait).transpose()?;
    ensure(
        waited.is_none_or(|(offset, _)| offset >= 1),
        "a ticket has a wrong offset",
    )
}

struct Sends<'a> {
    dir: &'a Path,
    workload: &'a Workload,
    messages: u64,
}

impl Sends<'_> {
    /// A new log that has one message, because the first publish makes the first segment.
    fn log(&self) -> Outcome<Arc<FileLog>> {
        let dir = self.dir.join("producer");
        machine::clear(&dir)?;
        let options = Options::new().create_dirs(true).key_index(true).time_index(true);
        let log = options.open(&dir)?;
        log.publish(&[self.workload.message(0)])?;
        Ok(Arc::new(log))
    }

    fn finish(&self, log: &FileLog) -> Outcome {
        ensure(log.next_offset()? == self.messages + 1, "messages are missing")?;
        Ok(log.close()?)
    }

    /// Publishes all messages by hand, so many a batch.
    fn by_hand(&self, log: &FileLog, len: u64, how: &PublishOptions<'_>) -> Outcome<f64> {
        let start = Instant::now();
        let mut batch = Vec::new();
        for first in (0..self.messages).step_by(len as usize) {
            batch.clear();
            batch.extend((first..self.messages.min(first + len)).map(|number| self.workload.message(number)));
            log.publish_with(&batch, how)?;
        }
        Ok(nanos_each(start, self.messages))
    }

    fn durable_batches(&self) -> Outcome<f64> {
        let log = self.log()?;
        let nanos = self.by_hand(&log, THREADS, &PublishOptions::new().sync(true))?;
        self.finish(&log)?;
        Ok(nanos)
    }

    /// Each thread hands its message over and waits. The one that completes a batch publishes it, which is the least
    /// that can be done.
    fn handed_over(&self) -> Outcome<f64> {
        let log = self.log()?;
        let (handed, all) = (Mutex::new((Vec::new(), 0_u64)), Condvar::new());
        let nanos = by_threads(THREADS, self.messages, &|number| {
            let mut batches = handed.lock().expect("no panic");
            batches.0.push(number);
            if batches.0.len() == THREADS as usize {
                let numbers = batches.0.drain(..).map(|number| self.workload.message(number));
                log.publish_with(&numbers.collect::<Vec<_>>(), &PublishOptions::new().sync(true))?;
                batches.1 += 1;
                all.notify_all();
                return Ok(());
            }
            let batch = batches.1;
            let published = all.wait_while(batches, |batches| batches.1 == batch);
            drop(published.expect("no panic"));
            Ok(())
        })?;
        self.finish(&log)?;
        Ok(nanos)
    }

    fn producer(log: &Arc<FileLog>) -> Outcome<Producer<Arc<FileLog>>> {
        let options = ProducerOptions::new()
            .ack(AckMode::Durable)
            .records_max(THREADS as usize)
            .linger(Duration::from_millis(5));
        Ok(Producer::new(Arc::clone(log), options)?)
    }

    /// No thread waits for what it has sent just now. It waits in the end for all that it has sent.
    fn durable_sends_ahead(&self) -> Outcome<f64> {
        let log = self.log()?;
        let producer = Self::producer(&log)?;
        let each = self.messages / THREADS;
        let start = Instant::now();
        on_threads(THREADS, &|thread| {
            let mut ahead = VecDeque::with_capacity(AHEAD);
            for number in thread * each..(thread + 1) * each {
                if ahead.len() == AHEAD {
                    wait(ahead.pop_front())?;
                }
                ahead.push_back(producer.send(self.workload.message(number))?);
            }
            ahead.into_iter().try_for_each(|ticket| wait(Some(ticket)))
        })?;
        let nanos = nanos_each(start, self.messages);
        producer.close()?;
        self.finish(&log)?;
        Ok(nanos)
    }

    /// Each thread waits for its message, so each batch has one of every thread.
    fn durable_sends(&self) -> Outcome<f64> {
        let log = self.log()?;
        let producer = Self::producer(&log)?;
        let nanos = by_threads(THREADS, self.messages, &|number| {
            let (offset, _) = producer.send(self.workload.message(number))?.wait()?;
            ensure(offset >= 1, "a ticket has a wrong offset")
        })?;
        producer.close()?;
        self.finish(&log)?;
        Ok(nanos)
    }

    fn batches(&self) -> Outcome<f64> {
        let log = self.log()?;
        let nanos = self.by_hand(&log, BATCH_LEN, &PublishOptions::new())?;
        self.finish(&log)?;
        Ok(nanos)
    }

    fn sends(&self) -> Outcome<f64> {
        let log = self.log()?;
        let producer = Producer::new(Arc::clone(&log), ProducerOptions::new())?;
        let start = Instant::now();
        for number in 0..self.messages {
            drop(producer.send(self.workload.message(number))?);
        }
        producer.close()?;
        let nanos = nanos_each(start, self.messages);
        self.finish(&log)?;
        Ok(nanos)
    }
}
