//! The rows of targets W1 to W7 and W9, for one library after the other.

use std::time::Instant;

use duramen::NewMessage;

use crate::Outcome;
use crate::args::Plan;
use crate::peer::{Durable, Kind, Peer};
use crate::table::Table;
use crate::workload::{BATCH_COUNT, Check, KEY_COUNT, VALUE_LEN, Workload, ensure, key_text, mix};

const WRONG: &str = "another message was read than was published";

/// Every row, and what it is.
pub(crate) const ROWS: [(&str, &str); 10] = [
    ("W1", "publish, one a call"),
    ("W2", "publish, 64 a call, per message"),
    ("W2k", "publish, 64 a call of 1 KiB, per message"),
    ("W3", "publish durably, one thread"),
    ("W4", "publish durably, 16 threads, per message"),
    ("W4b", "publish durably, 64 threads, per message"),
    ("W5", "read all in order, per message"),
    ("W6", "get by random offset"),
    ("W7", "get by key"),
    ("W9", "open, then get the last message"),
];

struct Bench<'a> {
    kind: &'a Kind,
    plan: &'a Plan,
    workload: &'a Workload,
}

pub(crate) fn measure(kind: &Kind, plan: &Plan, table: &mut Table) -> Outcome {
    let (small, large) = (Workload::new(VALUE_LEN), Workload::new(1 << 10));
    let bench = Bench {
        kind,
        plan,
        workload: &small,
    };
    for (id, _) in ROWS.iter().filter(|(id, _)| kind.rows.contains(id)) {
        let mut figures = Vec::new();
        for round in 0..=plan.rounds {
            let figure = match *id {
                "W1" => bench.publish(plan.messages, 1)?,
                "W2" => bench.publish(plan.messages, BATCH_COUNT as u64)?,
                "W2k" => Bench {
                    workload: &large,
                    ..bench
                }
                .publish(plan.messages / 8, BATCH_COUNT as u64)?,
                "W3" => bench.publish_durably(1, plan.syncs)?,
                "W4" => bench.publish_durably(16, plan.syncs * 4)?,
                "W4b" => bench.publish_durably(64, plan.syncs * 4)?,
                // Reading measures its rounds on one log.
                _ => break,
            };
            if round > 0 {
                figures.push(figure);
            }
        }
        table.add(id, kind.name, figures);
    }
    bench.read(table)
}

impl Bench<'_> {
    fn open(&self, durable: Durable, is_new: bool) -> Outcome<Box<dyn Peer>> {
        let dir = self.plan.dir.join(self.kind.name);
        if is_new {
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir)?;
        }
        (self.kind.open)(&dir, durable)
    }

    fn fill(&self, peer: &dyn Peer, messages: u64, batch_count: u64) -> Outcome {
        let mut batch: Vec<NewMessage<'_>> = Vec::with_capacity(batch_count as usize);
        for first in (0..messages).step_by(batch_count as usize) {
            batch.clear();
            batch.extend(
                (first..messages.min(first + batch_count)).map(|number| self.workload.message(number)),
            );
            peer.publish(first, &batch)?;
        }
        Ok(())
    }

    fn publish(&self, messages: u64, batch_count: u64) -> Outcome<f64> {
        let peer = self.open(Durable::Later, true)?;
        let start = Instant::now();
        self.fill(&*peer, messages, batch_count)?;
        let nanos = nanos_each(start, messages);
        peer.close()?;
        Ok(nanos)
    }

    fn publish_durably(&self, threads: u64, messages: u64) -> Outcome<f64> {
        let peer = self.open(Durable::AtOnce, true)?;
        let each = messages.div_ceil(threads);
        peer.publish(0, &[self.workload.message(0)])?;
        let peer_ref = &*peer;
        let start = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|thread| {
                    scope.spawn(move || {
                        (1 + thread * each..=(thread + 1) * each)
                            .try_for_each(|number| peer_ref.publish(number, &[self.workload.message(number)]))
                            .map_err(|error| error.to_string())
                    })
                })
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
        })?;
        let nanos = nanos_each(start, threads * each);
        peer.close()?;
        Ok(nanos)
    }

    fn read(&self, table: &mut Table) -> Outcome {
        let wants = |id: &str| self.kind.rows.contains(&id);
        if !["W5", "W6", "W7", "W9"].into_iter().any(wants) {
            return Ok(());
        }
        let mut figures: [Vec<f64>; 4] = Default::default();
        let peer = self.open(Durable::Later, true)?;
        self.fill(&*peer, self.plan.messages, BATCH_COUNT as u64)?;
        peer.close()?;
        let last = Workload::last_by_key(self.plan.messages);
        for round in 0..=self.plan.rounds {
            let check = if round == 0 { Check::Full } else { Check::Sample };
            let start = Instant::now();
            let peer = self.open(Durable::Later, false)?;
            if wants("W9") {
                self.get(&*peer, self.plan.messages - 1, Check::Full)?;
            }
            let open = nanos_each(start, 1);
            let done = [
                if wants("W5") {
                    self.scan(&*peer, check)?
                } else {
                    0.0
                },
                if wants("W6") {
                    self.by_offset(&*peer, check)?
                } else {
                    0.0
                },
                if wants("W7") {
                    self.by_key(&*peer, check, &last)?
                } else {
                    0.0
                },
                open,
            ];
            peer.close()?;
            if round > 0 {
                figures
                    .iter_mut()
                    .zip(done)
                    .for_each(|(figures, figure)| figures.push(figure));
            }
        }
        for (id, figures) in ["W5", "W6", "W7", "W9"].into_iter().zip(figures) {
            if wants(id) {
                table.add(id, self.kind.name, figures);
            }
        }
        Ok(())
    }

    fn scan(&self, peer: &dyn Peer, check: Check) -> Outcome<f64> {
        let mut number = 0;
        let start = Instant::now();
        peer.scan(&mut |key, value| {
            let same = self.workload.matches(check, number, Some(key), Some(value));
            number += 1;
            ensure(same, WRONG)
        })?;
        let nanos = nanos_each(start, self.plan.messages);
        ensure(number == self.plan.messages, "messages are missing")?;
        Ok(nanos)
    }

    fn get(&self, peer: &dyn Peer, number: u64, check: Check) -> Outcome {
        let mut count = 0;
        peer.get(number, &mut |key, value| {
            count += 1;
            ensure(
                self.workload.matches(check, number, Some(key), Some(value)),
                WRONG,
            )
        })?;
        ensure(count == 1, "a message was not found")
    }

    fn by_offset(&self, peer: &dyn Peer, check: Check) -> Outcome<f64> {
        let gets = self.plan.messages.min(100_000);
        let start = Instant::now();
        for pick in 0..gets {
            self.get(peer, mix(pick ^ 0x5eed) % self.plan.messages, check)?;
        }
        Ok(nanos_each(start, gets))
    }

    fn by_key(&self, peer: &dyn Peer, check: Check, last: &[Option<u64>]) -> Outcome<f64> {
        let picks: Vec<_> = (0..KEY_COUNT)
            .filter_map(|pick| {
                let key = mix(pick ^ 0x5eed) % KEY_COUNT;
                Some((key_text(key), last[key as usize]?))
            })
            .collect();
        let start = Instant::now();
        for (wanted, number) in &picks {
            let mut count = 0;
            peer.get_by_key(wanted, &mut |key, value| {
                count += 1;
                ensure(
                    self.workload.matches(check, *number, Some(key), Some(value)),
                    WRONG,
                )
            })?;
            ensure(count == 1, "a key was not found")?;
        }
        Ok(nanos_each(start, picks.len() as u64))
    }
}

fn nanos_each(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}
