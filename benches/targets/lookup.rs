//! W7 and W8: reading by key and by time.

use std::path::Path;
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Log as _, Options, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::args::Plan;
use crate::limit::{Plain, Record};
use crate::measure::{in_turns, nanos_each};
use crate::read::Bench;
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, FRAME_LEN, KEY_COUNT, Workload, ensure, key_text, mix, time};
use crate::{Outcome, machine};

const WRONG: &str = "a lookup found another message than it should";

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if plan.wants("W7") || plan.wants("W8") {
        let bench = Bench::new(dir, plan.messages)?;
        if plan.wants("W7") {
            report.begin("W7");
            by_key(&bench, dir, plan.rounds, report)?;
        }
        if plan.wants("W8") {
            report.begin("W8");
            by_time(&bench, plan.rounds, report, "")?;
        }
    }
    if plan.wants("W8") && plan.scale {
        by_time(
            &Bench::new(dir, plan.messages * 10)?,
            plan.rounds,
            report,
            ", 10x the messages",
        )?;
    }
    Ok(())
}

/// W7: the default rollover against a hash table, then many segments against few, and missing keys.
fn by_key(bench: &Bench, dir: &Path, rounds: usize, report: &mut Report) -> Outcome {
    let last = Workload::last_by_key(bench.messages);
    let table = HashTable::build(&bench.plain, &last);
    let whole = Keys {
        workload: &bench.workload,
        log: &bench.log,
        last: &last,
    };
    let [limit, present, missing] = in_turns(
        rounds,
        [
            &mut |check| whole.limit(check, &table, &bench.plain),
            &mut |check| whole.present(check),
            &mut |_| whole.missing(),
        ],
    )?;

    // With a quarter of the messages, each segment of the log with the most segments still has
    // some.
    let messages = bench.messages / 4;
    let last = Workload::last_by_key(messages);
    let few_log = segmented(&bench.workload, dir, messages, 16)?;
    let many_log = segmented(&bench.workload, dir, messages, 4_096)?;
    let segments = [few_log.stat()?.segments, many_log.stat()?.segments];
    let few = Keys {
        workload: &bench.workload,
        log: &few_log,
        last: &last,
    };
    let many = Keys {
        log: &many_log,
        ..few
    };
    let [few_present, few_missing, many_present, many_missing] = in_turns(
        rounds,
        [
            &mut |check| few.present(check),
            &mut |_| few.missing(),
            &mut |check| many.present(check),
            &mut |_| many.missing(),
        ],
    )?;

    let [few, many] = segments;
    let mut add = |what: String, limit, library, target| {
        report.add(Row {
            id: "W7",
            what,
            unit: Unit::Nanos,
            limit: Some(limit),
            library,
            target,
        });
    };
    add(
        "get by key".to_owned(),
        limit,
        present.clone(),
        Target::Ratio(4.0),
    );
    let what = "get by key, missing; for limit, present".to_owned();
    add(what, present, missing, Target::Ratio(1.0));
    let what = format!("get by key, {many} segments; for limit, {few}");
    add(what, few_present, many_present.clone(), Target::Ratio(4.0));
    let what = format!("get by key, missing, {many} segments; for limit, {few}");
    add(what, few_missing, many_missing.clone(), Target::None);
    let what = format!("get by key, missing, {many} segments; for limit, present");
    add(what, many_present, many_missing, Target::Ratio(1.0));
    Ok(())
}

/// A log of the first `messages` in about this many segments.
fn segmented(workload: &Workload, dir: &Path, messages: u64, segments: u64) -> Outcome<FileLog> {
    let path = dir.join(format!("segments-{segments}"));
    machine::clear(&path)?;
    let rollover = (messages * FRAME_LEN / segments).max(*Options::ROLLOVER_RANGE.start());
    let options = Options::new().key_index(true).time_index(true).rollover(rollover);
    workload.build(&path, &options, messages)?;
    Ok(options.open(&path)?)
}

/// Lookups of keys in one log.
#[derive(Clone, Copy, Debug)]
struct Keys<'a> {
    workload: &'a Workload,
    log: &'a FileLog,
    /// The last message of each key.
    last: &'a [Option<u64>],
}

impl Keys<'_> {
    /// Every existing key in random order, with the number of its last message.
    fn picks(&self) -> impl Iterator<Item = ([u8; 10], u64)> {
        (0..2 * KEY_COUNT).filter_map(|pick| {
            let key = mix(pick ^ 0x5eed) % KEY_COUNT;
            Some((key_text(key), self.last[key as usize]?))
        })
    }

    fn limit(&self, check: Check, table: &HashTable, plain: &Plain) -> Outcome<f64> {
        let picks: Vec<_> = self.picks().collect();
        timed(&picks, |(key, number)| {
            let record = table.get(plain, key).ok_or("the limit did not find a key")?;
            let same = self
                .workload
                .matches(check, *number, Some(record.key), Some(record.value));
            ensure(same, WRONG)
        })
    }

    fn present(&self, check: Check) -> Outcome<f64> {
        let picks: Vec<_> = self.picks().collect();
        timed(&picks, |(key, number)| {
            let message = self.log.get_by_key(key)?;
            let same =
                self.workload
                    .matches(check, *number, message.key.as_deref(), message.value.as_deref());
            ensure(message.offset == *number && same, WRONG)
        })
    }

    fn missing(&self) -> Outcome<f64> {
        let picks: Vec<_> = (0..KEY_COUNT)
            .map(|pick| key_text(KEY_COUNT + mix(pick) % 1_000_000_000))
            .collect();
        timed(&picks, |key| {
            let found = self.log.get_by_key(key);
            ensure(
                matches!(found, Err(Error::NotFound)),
                "a key was found that no message has",
            )
        })
    }
}

/// Nanoseconds per lookup, over all `picks` or as many as there is time for.
fn timed<T>(picks: &[T], look_up: impl Fn(&T) -> Outcome) -> Outcome<f64> {
    const TIME_MAX: Duration = Duration::from_secs(1);
    let start = Instant::now();
    for (pick, done) in picks.iter().zip(1_u64..) {
        look_up(pick)?;
        // The clock is read rarely unless lookups are very slow.
        if (done < 64 || done.is_multiple_of(64)) && start.elapsed() > TIME_MAX {
            return Ok(nanos_each(start, done));
        }
    }
    Ok(nanos_each(start, picks.len() as u64))
}

/// The limit of W7: one table of all keys. A slot holds half a hash and a message's number plus
/// one.
#[derive(Debug)]
struct HashTable {
    slots: Vec<(u32, u32)>,
}

impl HashTable {
    fn build(plain: &Plain, last: &[Option<u64>]) -> HashTable {
        let mut table = HashTable {
            slots: vec![(0, 0); (last.len() * 2).next_power_of_two()],
        };
        for number in last.iter().flatten() {
            let Some(record) = plain.get(*number) else {
                continue;
            };
            let (mut at, tag) = table.start(record.key);
            while table.slots[at].1 != 0 {
                at = (at + 1) % table.slots.len();
            }
            table.slots[at] = (tag, *number as u32 + 1);
        }
        table
    }

    #[inline]
    fn start(&self, key: &[u8]) -> (usize, u32) {
        let hash = xxh3_64(key);
        (hash as usize & (self.slots.len() - 1), (hash >> 32) as u32)
    }

    #[inline]
    fn get<'a>(&self, plain: &'a Plain, key: &[u8]) -> Option<Record<'a>> {
        let (mut at, tag) = self.start(key);
        loop {
            match self.slots[at] {
                (_, 0) => return None,
                (found, number) if found == tag => {
                    let record = plain.get(u64::from(number) - 1)?;
                    if record.key == key {
                        return Some(record);
                    }
                }
                _ => {}
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

/// W8: finding the first message at or after a random time.
fn by_time(bench: &Bench, rounds: usize, report: &mut Report, note: &str) -> Outcome {
    let times: Vec<i64> = (0..bench.messages).map(time).collect();
    let (first, span) = (times[0], times[times.len() - 1] - times[0]);
    // The times are arbitrary, with or without a message. The number of the message to find is
    // computed in advance.
    let picks: Vec<(i64, u64)> = (0..bench.pick_count())
        .map(|pick| {
            let at = first + (mix(pick ^ 0x5eed) % (span as u64 + 1)).cast_signed();
            (at, times.partition_point(|time| *time < at) as u64)
        })
        .collect();
    let [limit, library] = in_turns(
        rounds,
        [
            &mut |check| bench.limit_by_time(check, &times, &picks),
            &mut |check| bench.library_by_time(check, &picks),
        ],
    )?;
    report.add(Row {
        id: "W8",
        what: format!("get by random time{note}"),
        unit: Unit::Nanos,
        limit: Some(limit),
        library,
        target: Target::Ratio(0.8),
    });
    Ok(())
}

impl Bench {
    fn limit_by_time(&self, check: Check, times: &[i64], picks: &[(i64, u64)]) -> Outcome<f64> {
        let start = Instant::now();
        for (at, expected) in picks {
            let number = times.partition_point(|time| time < at) as u64;
            let record = self.plain.get(number).ok_or("the limit read a bad record")?;
            let same = self
                .workload
                .matches(check, number, Some(record.key), Some(record.value));
            ensure(number == *expected && same, WRONG)?;
        }
        Ok(nanos_each(start, picks.len() as u64))
    }

    fn library_by_time(&self, check: Check, picks: &[(i64, u64)]) -> Outcome<f64> {
        let start = Instant::now();
        for (at, expected) in picks {
            let message = self.log.get_by_time(Timestamp::from_micros(*at))?;
            let same =
                self.workload
                    .matches(check, *expected, message.key.as_deref(), message.value.as_deref());
            ensure(message.offset == *expected && same, WRONG)?;
        }
        Ok(nanos_each(start, picks.len() as u64))
    }
}
