//! W1, W2 and W2k: publishing.

use std::path::Path;
use std::time::Instant;

use duramen::{Control, FileLog, Log as _, NewMessage, Options, PublishOptions, Timestamp, Token};

use crate::args::Plan;
use crate::limit::{LONE, Reserved, put, put_batch, read};
use crate::measure::{in_turns, nanos_each};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{BATCH_COUNT, Check, KEY_LEN, VALUE_LEN, Workload, ensure, time};
use crate::{Outcome, latency, machine};

/// The largest number of header bytes of a message, alone or in a batch.
const OVERHEAD_MAX: usize = 24;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let small = Workload::new(VALUE_LEN);
    let bench = Bench {
        dir,
        workload: &small,
        messages: plan.messages,
    };
    if plan.wants("W1") {
        report.begin("W1");
        alone(&bench, plan.rounds, report, "")?;
    }
    if plan.wants("W1") && plan.scale {
        let scaled = Bench {
            messages: plan.messages * 10,
            ..bench
        };
        alone(&scaled, plan.rounds, report, ", 10x the messages")?;
    }
    if plan.wants("W2") {
        report.begin("W2");
        batched(&bench, "W2", plan.rounds, report, [1.1, 1.6])?;
    }
    if plan.wants("W2k") {
        report.begin("W2k");
        let large = Workload::new(1 << 10);
        // The number of bytes is the same, not the number of messages.
        let bench = Bench {
            workload: &large,
            messages: plan.messages / 8,
            ..bench
        };
        batched(&bench, "W2k", plan.rounds, report, [1.2, 1.2])?;
    }
    if plan.wants("W12") {
        report.begin("W12");
        latency::run(&bench, plan.rounds, report)?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    dir: &'a Path,
    pub(crate) workload: &'a Workload,
    pub(crate) messages: u64,
}

/// The source of a message's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// The caller provides it.
    Given,
    /// The clock is read for each call, which takes some 20 ns on both sides.
    Read,
}

/// W1: one message per call.
fn alone(bench: &Bench<'_>, rounds: usize, report: &mut Report, note: &str) -> Outcome {
    let plain = Options::new();
    let indexed = Options::new().key_index(true).time_index(true);
    let [limit, touched, clocked, library, with_indexes, with_clock, fenced] = in_turns(
        rounds,
        [
            &mut |check| bench.limit_alone(check, Clock::Given, false),
            &mut |check| bench.limit_alone(check, Clock::Given, true),
            &mut |check| bench.limit_alone(check, Clock::Read, false),
            &mut |check| bench.library_alone(check, &plain, Clock::Given),
            &mut |check| bench.library_alone(check, &indexed, Clock::Given),
            &mut |check| bench.library_alone(check, &indexed, Clock::Read),
            &mut |_| bench.library_fenced(&plain, 1),
        ],
    )?;
    let rows = [
        ("no index", &limit, &library, Target::Ratio(1.5)),
        ("both indexes", &limit, &with_indexes, Target::Ratio(2.2)),
        (
            "no index, with a token and a producer",
            &limit,
            &fenced,
            Target::None,
        ),
        (
            "both indexes, time read from the clock",
            &clocked,
            &with_clock,
            Target::None,
        ),
        (
            "no index; limit over pages touched before",
            &touched,
            &library,
            Target::None,
        ),
        (
            "both indexes; limit over pages touched before",
            &touched,
            &with_indexes,
            Target::None,
        ),
    ];
    for (what, limit, library, target) in rows {
        report.add(Row {
            id: "W1",
            what: format!("publish, one a call, {what}{note}"),
            unit: Unit::Nanos,
            limit: Some(limit.clone()),
            library: library.clone(),
            target,
        });
    }
    Ok(())
}

/// W2 and W2k: 64 messages per call.
fn batched(
    bench: &Bench<'_>,
    id: &'static str,
    rounds: usize,
    report: &mut Report,
    targets: [f64; 2],
) -> Outcome {
    let plain = Options::new();
    let indexed = Options::new().key_index(true).time_index(true);
    let [limit, library, with_indexes, fenced] = in_turns(
        rounds,
        [
            &mut |_| bench.limit_batched(),
            &mut |check| bench.library_batched(check, &plain),
            &mut |check| bench.library_batched(check, &indexed),
            &mut |_| bench.library_fenced(&plain, BATCH_COUNT),
        ],
    )?;
    let size = if id == "W2k" { " of 1 KiB" } else { "" };
    let [plain, indexed] = targets.map(Target::Ratio);
    let rows = [
        ("no index", library, plain),
        ("both indexes", with_indexes, indexed),
        ("no index, with a token and a producer", fenced, Target::None),
    ];
    for (what, library, target) in rows {
        report.add(Row {
            id,
            what: format!("publish, {BATCH_COUNT} a call{size}, {what}, per message"),
            unit: Unit::Nanos,
            limit: Some(limit.clone()),
            library,
            target,
        });
    }
    Ok(())
}

impl<'a> Bench<'a> {
    pub(crate) fn new(dir: &'a Path, workload: &'a Workload, messages: u64) -> Bench<'a> {
        Bench {
            dir,
            workload,
            messages,
        }
    }

    /// The largest number of bytes that all messages take.
    fn len(&self) -> usize {
        let batches = self.messages as usize / BATCH_COUNT + 1;
        let message_len = OVERHEAD_MAX + KEY_LEN + self.workload.value(0).len();
        self.messages as usize * message_len + batches * OVERHEAD_MAX
    }

    pub(crate) fn space(&self) -> Outcome<Reserved> {
        machine::warm_page_cache(self.dir, self.len() as u64 * 2)?;
        Reserved::create(self.dir, self.len())
    }

    /// Builds all records in a mapping. Its pages are allocated. With `touch`, this process has
    /// also accessed them before.
    fn limit_alone(&self, check: Check, clock: Clock, touch: bool) -> Outcome<f64> {
        let mut space = self.space()?;
        let map = &mut space.map[..];
        if touch {
            map.iter_mut()
                .step_by(4096)
                .for_each(|byte| *byte = std::hint::black_box(1));
        }
        let mut at = 0;
        let start = Instant::now();
        for number in 0..self.messages {
            let micros = match clock {
                Clock::Given => time(number),
                Clock::Read => Timestamp::now().as_micros(),
            };
            let (key, value) = (self.workload.key(number), self.workload.value(number));
            at += put::<LONE>(&mut map[at..], number, micros, key, value);
        }
        let nanos = nanos_each(start, self.messages);
        if check == Check::Full {
            let mut at = 0;
            for number in 0..self.messages {
                let record = read::<LONE>(&map[at..], number).ok_or("the limit wrote a bad record")?;
                ensure(
                    self.workload
                        .matches(check, number, Some(record.key), Some(record.value)),
                    "the limit wrote another message",
                )?;
                at += record.len;
            }
        }
        Ok(nanos)
    }

    fn library_alone(&self, check: Check, options: &Options, clock: Clock) -> Outcome<f64> {
        let log = self.open(options)?;
        let start = Instant::now();
        for number in 0..self.messages {
            let message = match clock {
                Clock::Given => self.workload.message(number),
                Clock::Read => NewMessage::new(self.workload.key(number), self.workload.value(number)),
            };
            log.publish(std::slice::from_ref(&message))?;
        }
        let nanos = nanos_each(start, self.messages);
        self.finish(&log, check)?;
        Ok(nanos)
    }

    fn limit_batched(&self) -> Outcome<f64> {
        let mut space = self.space()?;
        let map = &mut space.map[..];
        let mut at = 0;
        let start = Instant::now();
        for first in (0..self.messages).step_by(BATCH_COUNT) {
            let end = self.messages.min(first + BATCH_COUNT as u64);
            at += put_batch(&mut map[at..], self.workload, first, end);
        }
        Ok(nanos_each(start, self.messages))
    }

    fn library_batched(&self, check: Check, options: &Options) -> Outcome<f64> {
        let log = self.open(options)?;
        let start = Instant::now();
        self.workload.publish(&log, 0..self.messages)?;
        let nanos = nanos_each(start, self.messages);
        self.finish(&log, check)?;
        Ok(nanos)
    }

    /// Publishes with a token, and as a producer who numbers its batches.
    fn library_fenced(&self, options: &Options, batch: usize) -> Outcome<f64> {
        let log = self.open(options)?;
        let token = Token::new("writer-1")?;
        log.append(&[], &PublishOptions::new().and(Control::Fence(token)))?;
        let mut messages = Vec::with_capacity(batch);
        let start = Instant::now();
        for first in (0..self.messages).step_by(batch) {
            let end = self.messages.min(first + batch as u64);
            messages.clear();
            messages.extend((first..end).map(|number| self.workload.message(number)));
            log.append(&messages, &PublishOptions::new().token(token).producer(7, first))?;
        }
        let nanos = nanos_each(start, self.messages);
        ensure(
            log.next_offset()? == self.messages + 1,
            "the log ends at another offset",
        )?;
        log.close()?;
        Ok(nanos)
    }

    pub(crate) fn open(&self, options: &Options) -> Outcome<FileLog> {
        let dir = self.dir.join("publish");
        machine::clear(&dir)?;
        machine::warm_page_cache(self.dir, self.len() as u64 * 2)?;
        Ok(options.clone().create_dirs(true).open(dir)?)
    }

    /// Compares the log with what was published, byte by byte in the first round.
    pub(crate) fn finish(&self, log: &FileLog, check: Check) -> Outcome {
        ensure(
            log.next_offset()? == self.messages,
            "the log ends at another offset",
        )?;
        if check == Check::Full {
            crate::read::verify_all(log, self.workload, self.messages)?;
        }
        log.close()?;
        Ok(())
    }
}
