//! Measuring one way of using one library, in a process of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Outcome;
use crate::device::Device;
use crate::libraries::{ENVIRONMENT, WAYS};
use crate::measure::{Samples, nanos_each};
use crate::rows::Row;
use crate::store::{Message, Purpose, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, Check, KEY_COUNT, Workload, ensure, key_text, mix};

/// The first argument of this program's own child processes.
const CHILD: &str = "child";
/// How long one measurement of publishing or getting may take. The figure of a library that does
/// not get through all messages is that of those it got through.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest number of opens in one round. The round's figure is their median.
const OPENS: usize = 21;
/// How long they may take together.
const OPENS_PATIENCE: Duration = Duration::from_secs(2);

/// What one measurement has shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Nanoseconds per message or call.
    pub(crate) nanos: f64,
    /// The bytes that the device wrote per message, in durable rows.
    pub(crate) device_bytes: Option<f64>,
}

/// What a child process has to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Only publish what a second process then reads.
    pub(crate) build: bool,
    pub(crate) way: &'static Way,
    pub(crate) rows: Vec<Row>,
    pub(crate) dir: PathBuf,
    pub(crate) check: Check,
    pub(crate) messages: u64,
    pub(crate) syncs: u64,
}

impl Task {
    /// Has a child process do it, and returns the figures that it reports.
    pub(crate) fn spawn(&self) -> Outcome<Vec<(Row, Figure)>> {
        let rows: Vec<usize> = Row::ALL
            .iter()
            .enumerate()
            .filter(|(_, row)| self.rows.contains(row))
            .map(|(at, _)| at)
            .collect();
        let order = json!({
            "build": self.build,
            "way": self.way.name,
            "rows": rows,
            "dir": self.dir.to_str().ok_or("the directory's name is not UTF-8")?,
            "full": self.check == Check::Full,
            "messages": self.messages,
            "syncs": self.syncs,
        });
        let mut command = Command::new(std::env::current_exe()?);
        command.args([CHILD, &order.to_string()]).stderr(Stdio::inherit());
        for (name, value) in ENVIRONMENT {
            command.env(
                name,
                value.unwrap_or(self.dir.as_os_str().to_str().unwrap_or_default()),
            );
        }
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure(output.status.success(), "the child process failed")?;
        // A library may print lines of its own.
        let figures = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        figures.map(|figure| parse(&figure)).collect()
    }

    fn of(order: &Value) -> Outcome<Task> {
        let number = |name: &str| order[name].as_u64().ok_or("a number is missing in the order");
        let rows = order["rows"].as_array().ok_or("no rows in the order")?;
        Ok(Task {
            build: order["build"] == true,
            way: WAYS
                .iter()
                .find(|way| order["way"] == way.name)
                .ok_or("unknown library")?,
            rows: rows.iter().map(row_of).collect::<Outcome<_>>()?,
            dir: PathBuf::from(order["dir"].as_str().ok_or("no directory in the order")?),
            check: if order["full"] == true {
                Check::Full
            } else {
                Check::Sample
            },
            messages: number("messages")?,
            syncs: number("syncs")?,
        })
    }

    fn open(&self, durable: bool) -> Outcome<Box<dyn Store>> {
        let purpose = Purpose {
            durable,
            messages: if durable {
                self.syncs * 4 + 100
            } else {
                self.messages
            },
            value_len: self.rows[0].value_len(),
            queue: self.rows == [Row::Queue],
        };
        (self.way.open)(&self.dir, purpose)
    }
}

fn row_of(at: &Value) -> Outcome<Row> {
    let row = at.as_u64().and_then(|at| Row::ALL.get(usize::try_from(at).ok()?));
    Ok(*row.ok_or("unknown row")?)
}

fn parse(figure: &Value) -> Outcome<(Row, Figure)> {
    let parsed = Figure {
        nanos: figure["nanos"].as_f64().ok_or("a figure without a time")?,
        device_bytes: figure["device_bytes"].as_f64(),
    };
    Ok((row_of(&figure["row"])?, parsed))
}

/// Whether this process is a child of a measuring one.
pub(crate) fn is_child(arguments: &[String]) -> bool {
    arguments.first().is_some_and(|first| first == CHILD)
}

/// Does what the parent ordered.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let order = arguments.get(1).ok_or("a child needs an order")?;
    let task = Task::of(&serde_json::from_str(order)?)?;
    let workload = Arc::new(Workload::new(task.rows.first().ok_or("no rows")?.value_len()));
    let child = Child { task, workload };
    if child.task.build {
        return child.build();
    }
    if child.task.rows == [Row::Open] {
        report(Row::Open, plain(child.open()?));
        return Ok(());
    }
    if child.task.rows == [Row::Queue] {
        report(Row::Queue, plain(child.work()?));
        return Ok(());
    }
    if child.task.rows.iter().any(|row| row.reads()) {
        return child.read();
    }
    for row in &child.task.rows {
        let figure = if row.is_durable() {
            child.durable(*row)?
        } else {
            plain(child.publish(*row)?)
        };
        report(*row, figure);
    }
    Ok(())
}

fn plain(nanos: f64) -> Figure {
    Figure {
        nanos,
        device_bytes: None,
    }
}

fn report(row: Row, figure: Figure) {
    let at = Row::ALL.iter().position(|other| *other == row);
    println!(
        "{}",
        json!({ "row": at, "nanos": figure.nanos, "device_bytes": figure.device_bytes })
    );
}

#[derive(Debug)]
struct Child {
    task: Task,
    workload: Arc<Workload>,
}

impl Child {
    fn message(&self, number: u64) -> Message<'_> {
        Message::of(&self.workload, number)
    }

    /// Publishes everything in batches, for a process that reads it.
    fn build(&self) -> Outcome {
        let mut store = self.task.open(false)?;
        let mut batch = Vec::with_capacity(BATCH_COUNT);
        for first in (0..self.task.messages).step_by(BATCH_COUNT) {
            let end = self.task.messages.min(first + BATCH_COUNT as u64);
            batch.clear();
            batch.extend((first..end).map(|number| self.message(number)));
            store.build(&batch)?;
        }
        store.close()
    }

    /// W1, W2 and W2k.
    fn publish(&self, row: Row) -> Outcome<f64> {
        let mut store = self.task.open(false)?;
        let (nanos, published) = if row == Row::One {
            self.publish_alone(store.as_mut())?
        } else {
            self.publish_batched(store.as_mut())?
        };
        let mut seen = Seen::in_order(&self.workload, self.task.check);
        store.read_all(&mut seen)?;
        seen.finish(published)?;
        store.close()?;
        Ok(nanos)
    }

    fn publish_alone(&self, store: &mut dyn Store) -> Outcome<(f64, u64)> {
        const LOOK_AFTER: u64 = 1 << 10;
        let start = Instant::now();
        for number in 0..self.task.messages {
            store.publish_one(self.message(number))?;
            if number.is_multiple_of(LOOK_AFTER) && start.elapsed() > PATIENCE {
                return Ok((nanos_each(start, number + 1), number + 1));
            }
        }
        Ok((nanos_each(start, self.task.messages), self.task.messages))
    }

    fn publish_batched(&self, store: &mut dyn Store) -> Outcome<(f64, u64)> {
        const LOOK_AFTER: u64 = 1 << 10;
        let mut batch = Vec::with_capacity(BATCH_COUNT);
        let start = Instant::now();
        for first in (0..self.task.messages).step_by(BATCH_COUNT) {
            let end = self.task.messages.min(first + BATCH_COUNT as u64);
            batch.clear();
            batch.extend((first..end).map(|number| self.message(number)));
            store.publish_many(&batch)?;
            if end.is_multiple_of(LOOK_AFTER) && start.elapsed() > PATIENCE {
                return Ok((nanos_each(start, end), end));
            }
        }
        Ok((nanos_each(start, self.task.messages), self.task.messages))
    }

    /// W3 and W4, with the bytes that the device writes.
    fn durable(&self, row: Row) -> Outcome<Figure> {
        let threads = row.threads();
        let each = if threads == 1 {
            self.task.syncs
        } else {
            (self.task.syncs * 4).div_ceil(threads)
        };
        let count = threads * each;
        let store = self.task.open(true)?;
        // The first publish creates files, which this row does not measure.
        store.publish_durably(0, self.message(count))?;
        let device = Device::of(&self.task.dir)?;
        let device = device.as_ref();
        let before = device.map(Device::settled).transpose()?;
        let writes_before = device.map(writes).transpose()?;
        let start = Instant::now();
        self.publish_on_threads(store.as_ref(), threads, each)?;
        let nanos = nanos_each(start, count);
        let after = device.map(Device::bytes_written).transpose()?;
        let writes_after = device.map(writes).transpose()?;
        store.close()?;

        let mut store = self.task.open(true)?;
        let mut seen = Seen::in_any_order(&self.workload);
        store.read_all(&mut seen)?;
        seen.finish(count + 1)?;
        store.close()?;
        let Some((before, after)) = before.zip(after) else {
            return Ok(plain(nanos));
        };
        // Nothing can be on stable storage that the device did not write.
        ensure(
            threads > 1
                || writes_after
                    .zip(writes_before)
                    .is_none_or(|(after, before)| after - before >= count),
            "not every durable publish made the device write",
        )?;
        Ok(Figure {
            nanos,
            device_bytes: Some((after - before) as f64 / count as f64),
        })
    }

    fn publish_on_threads(&self, store: &dyn Store, threads: u64, each: u64) -> Outcome {
        if threads == 1 {
            return (0..each).try_for_each(|number| store.publish_durably(0, self.message(number)));
        }
        let publish = |thread: u64| {
            (thread * each..(thread + 1) * each)
                .try_for_each(|number| store.publish_durably(thread, self.message(number)))
                .map_err(|error| error.to_string())
        };
        std::thread::scope(|scope| {
            let publish = &publish;
            let threads: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || publish(thread)))
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
        })?;
        Ok(())
    }

    /// W5, W6 and W7, in a store that another process has published.
    fn read(&self) -> Outcome {
        let mut store = self.task.open(false)?;
        for row in &self.task.rows {
            let nanos = match row {
                Row::Consume | Row::Scan => self.in_order(store.as_mut(), *row)?,
                Row::Offset => self.by_offset(store.as_mut())?,
                _ => self.by_key(store.as_mut())?,
            };
            report(*row, plain(nanos));
        }
        store.close()
    }

    fn in_order(&self, store: &mut dyn Store, row: Row) -> Outcome<f64> {
        let mut seen = Seen::in_order(&self.workload, self.task.check);
        let start = Instant::now();
        if row == Row::Consume {
            store.consume(&mut seen)?;
        } else {
            store.scan(&mut seen)?;
        }
        let nanos = nanos_each(start, seen.count().max(1));
        seen.finish(self.task.messages)?;
        Ok(nanos)
    }

    fn by_offset(&self, store: &mut dyn Store) -> Outcome<f64> {
        let messages = self.task.messages;
        let seen = Seen::in_order(&self.workload, self.task.check);
        let picks: Vec<u64> = (0..messages.min(1_000_000))
            .map(|pick| mix(pick ^ 0x5eed) % messages)
            .collect();
        timed(&picks, |number| store.get(*number, &seen))
    }

    fn by_key(&self, store: &mut dyn Store) -> Outcome<f64> {
        let last = Workload::last_by_key(self.task.messages);
        let seen = Seen::in_order(&self.workload, self.task.check);
        let picks: Vec<_> = (0..2 * KEY_COUNT)
            .filter_map(|pick| {
                let key = mix(pick ^ 0x5eed) % KEY_COUNT;
                Some((key_text(key), last[usize::try_from(key).ok()?]?))
            })
            .collect();
        timed(&picks, |(key, number)| store.get_by_key(key, *number, &seen))
    }

    /// Q1, over all jobs or as many as there is time for. What was settled does not come again.
    fn work(&self) -> Outcome<f64> {
        let mut seen = Seen::in_order(&self.workload, self.task.check);
        let mut store = self.task.open(false)?;
        let start = Instant::now();
        while store.work(&mut seen)? {
            if seen.count().is_multiple_of(256) && start.elapsed() > PATIENCE {
                break;
            }
        }
        let nanos = nanos_each(start, seen.count().max(1));
        store.close()?;

        let is_rest = seen.count() < self.task.messages;
        let mut store = self.task.open(false)?;
        ensure(
            store.work(&mut seen)? == is_rest,
            "another number of jobs was settled than was given out",
        )?;
        store.close()?;
        Ok(nanos)
    }

    /// W9. Nanoseconds.
    fn open(&self) -> Outcome<f64> {
        let seen = Seen::in_order(&self.workload, Check::Full);
        let all = Instant::now();
        let mut figures = Vec::with_capacity(OPENS);
        while figures.len() < OPENS && all.elapsed() < OPENS_PATIENCE {
            let number = mix(figures.len() as u64) % self.task.messages;
            let start = Instant::now();
            let mut store = self.task.open(false)?;
            store.get_first(number, &seen)?;
            figures.push(start.elapsed().as_nanos() as f64);
            store.close()?;
        }
        Ok(Samples::of(figures).median())
    }
}

/// Nanoseconds per lookup, over all `picks` or as many as there is time for.
fn timed<T>(picks: &[T], mut look_up: impl FnMut(&T) -> Outcome) -> Outcome<f64> {
    let start = Instant::now();
    for (pick, done) in picks.iter().zip(1_u64..) {
        look_up(pick)?;
        if done.is_multiple_of(256) && start.elapsed() > PATIENCE {
            return Ok(nanos_each(start, done));
        }
    }
    Ok(nanos_each(start, picks.len() as u64))
}

/// How many writes a device has completed.
fn writes(device: &Device) -> Outcome<u64> {
    device.counter(5)
}
