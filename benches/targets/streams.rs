//! ST1 to ST4: a store of streams.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::store::{ListOptions, Partitioner, RetentionConfig, Store, StoreOptions, Stream, StreamConfig};
use duramen::{Durability, Event, Log as _, NewMessage, Options, PublishOptions};
use parking_lot::Mutex;

use crate::args::Plan;
use crate::measure::{Samples, in_turns, nanos_each};
use crate::report::{Report, Row, Target, Unit};
use crate::spread::{self, any_of};
use crate::workload::{VALUE_LEN, Workload, ensure};
use crate::{Outcome, child, machine, stream_commit};

/// The names of the children's tasks.
pub(crate) const MAKE: &str = "make-streams";
pub(crate) const OPEN: &str = "open-streams";
pub(crate) const EXPIRE: &str = "expire-streams";

/// The number of bytes that a store with 10,000 streams may have resident.
const RESIDENT_MAX: f64 = 200.0 * 1024.0 * 1024.0;
const SECOND: f64 = 1e9;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    if plan.wants("ST1") {
        report.begin("ST1");
        many(plan, dir, report)?;
        random(plan, &workload, dir, report)?;
    }
    if plan.wants("ST2") {
        report.begin("ST2");
        stream_commit::durable(plan, &workload, dir, report)?;
    }
    if plan.wants("ST3") {
        report.begin("ST3");
        atomic(plan, &workload, dir, report)?;
    }
    if plan.wants("ST4") {
        report.begin("ST4");
        expire(plan, dir, report)?;
    }
    Ok(())
}

/// A row whose limit is none of the hardware's, or that has none.
fn add(report: &mut Report, id: &'static str, what: String, unit: Unit, figure: f64, target: Target) {
    report.add(Row {
        id,
        what,
        unit,
        limit: None,
        library: Samples::of(vec![figure]),
        target,
    });
}

/// The store in `dir`, which has so many streams of one partition.
pub(crate) fn made(
    dir: &Path,
    streams: u64,
    options: &StoreOptions,
    config: &StreamConfig,
) -> Outcome<(Store, Vec<Stream>)> {
    let store = options.clone().create_dirs(true).open(dir)?;
    let mut made = Vec::new();
    for number in 0..streams {
        let name = format!("stream-{number}");
        store.create(&name, config)?;
        made.push(store.stream(&name)?);
    }
    Ok((store, made))
}

pub(crate) fn publish(stream: &Stream, message: NewMessage<'_>) -> duramen::Result<()> {
    const PLAIN: &PublishOptions<'_> = &PublishOptions::new();
    stream.publish(message, &Partitioner::To(0), PLAIN).map(|_| ())
}

/// ST1: many streams that are idle.
fn many(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let dir = dir.join("many/store");
    let streams = plan.logs;
    let made = child::numbers(MAKE, &dir, streams)?;
    let opened = child::numbers(OPEN, &dir, streams)?;
    machine::clear(&dir)?;
    let share = streams as f64 / 10_000.0;
    let rows = [
        ("making one", Unit::Micros, Target::None),
        ("publishing the first message of one", Unit::Micros, Target::None),
        ("listing all", Unit::Millis, Target::None),
        (
            "opening the store",
            Unit::Millis,
            Target::AtMost(SECOND * share.max(0.1)),
        ),
        (
            "resident memory when opened",
            Unit::MiB,
            Target::AtMost(RESIDENT_MAX),
        ),
        (
            "resident memory, one message published to each",
            Unit::MiB,
            Target::AtMost(RESIDENT_MAX),
        ),
        ("descriptors when idle", Unit::Count, Target::AtMost(16.0)),
        ("mappings of files when idle", Unit::Count, Target::AtMost(8.0)),
        ("threads of the library", Unit::Count, Target::AtMost(2.0)),
    ];
    let figures = made.into_iter().chain(opened);
    for ((what, unit, target), figure) in rows.into_iter().zip(figures) {
        add(
            report,
            "ST1",
            format!("{streams} streams: {what}"),
            unit,
            figure,
            target,
        );
    }
    Ok(())
}

/// The child that makes the streams and publishes to each.
pub(crate) fn make_child(dir: &Path, streams: u64) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let begun = Instant::now();
    let (store, made) = made(dir, streams, &StoreOptions::new(), &StreamConfig::new())?;
    let created = nanos_each(begun, streams);
    let begun = Instant::now();
    for (number, stream) in (0..).zip(&made) {
        publish(stream, workload.message(number))?;
    }
    let published = nanos_each(begun, streams);
    let begun = Instant::now();
    let mut options = ListOptions::new();
    let mut listed = 0;
    loop {
        let page = store.list(&options)?;
        listed += page.items.len() as u64;
        let Some(last) = page.items.last().filter(|_| page.has_more) else {
            break;
        };
        options = ListOptions::new().start_after(&last.name);
    }
    ensure(listed == streams, "another number of streams is listed")?;
    println!("{created} {published} {}", nanos_each(begun, 1));
    store.close()?;
    Ok(())
}

/// The child that opens the store, uses all streams, and looks at what it holds when they are idle.
pub(crate) fn open_child(dir: &Path, streams: u64) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let before = (
        machine::resident_bytes()?,
        descriptors()?,
        file_maps()?,
        threads()?,
    );
    let begun = Instant::now();
    let store = StoreOptions::new()
        .idle_after(Duration::from_millis(200))
        .open(dir)?;
    let opened = nanos_each(begun, 1);
    let resident = machine::resident_bytes()?.saturating_sub(before.0);
    for number in 0..streams {
        publish(
            &store.stream(&format!("stream-{number}"))?,
            workload.message(number),
        )?;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while file_maps()? > before.2 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    let used = machine::resident_bytes()?.saturating_sub(before.0);
    let more = [
        descriptors()?.saturating_sub(before.1),
        file_maps()?.saturating_sub(before.2),
        threads()?.saturating_sub(before.3),
    ];
    println!("{opened} {resident} {used} {} {} {}", more[0], more[1], more[2]);
    store.close()?;
    Ok(())
}

fn descriptors() -> Outcome<u64> {
    Ok(fs::read_dir("/proc/self/fd")?.count() as u64)
}

/// How many mappings of the streams' segments and indexes this process has.
fn file_maps() -> Outcome<u64> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    Ok(maps
        .lines()
        .filter(|line| line.contains("/store/streams/"))
        .count() as u64)
}

fn threads() -> Outcome<u64> {
    Ok(fs::read_dir("/proc/self/task")?.count() as u64)
}

/// ST1: publishing to one stream at random, all of them open, beside a single log.
fn random(plan: &Plan, workload: &Workload, dir: &Path, report: &mut Report) -> Outcome {
    let messages = plan.messages / 4;
    // An open stream has five descriptors.
    let most = (machine::descriptors_max() / 6).min(plan.logs);
    for streams in [100, 1_000, 3_000].map(|streams| most.min(streams)) {
        let home = dir.join(format!("random-{streams}"));
        let options = StoreOptions::new().open_max(streams as usize);
        let (store, all) = made(&home.join("store"), streams, &options, &StreamConfig::new())?;
        for (number, stream) in (0..).zip(&all) {
            publish(stream, workload.message(number))?;
        }
        let mut round = 0;
        let [lone, random, lone_limit, limit] = in_turns(
            plan.rounds,
            [
                &mut |_| {
                    round += 1;
                    let log = Options::new()
                        .create_dirs(true)
                        .open(home.join(format!("log-{round}")))?;
                    let begun = Instant::now();
                    for number in 0..messages {
                        log.publish(&[workload.message(number)])?;
                    }
                    Ok(nanos_each(begun, messages))
                },
                &mut |_| {
                    let begun = Instant::now();
                    for number in 0..messages {
                        publish(&all[any_of(streams, number)], workload.message(number))?;
                    }
                    Ok(nanos_each(begun, messages))
                },
                &mut |_| spread::store(&home, workload, 1, messages),
                &mut |_| spread::store(&home, workload, streams, messages),
            ],
        )?;
        store.close()?;
        drop((store, all));
        machine::clear(&home)?;
        report.add(Row {
            id: "ST1",
            what: format!("publish to one of {streams} open streams; limit: a single log"),
            unit: Unit::Nanos,
            limit: Some(lone),
            library: random,
            target: Target::Ratio(2.0),
        });
        report.add(Row {
            id: "ST1",
            what: format!("the bytes alone, into one of {streams} mapped files; limit: into one file"),
            unit: Unit::Nanos,
            limit: Some(lone_limit),
            library: limit,
            target: Target::None,
        });
    }
    Ok(())
}

/// ST3: one message to each of three streams, atomically, beside three durable publishes.
fn atomic(plan: &Plan, workload: &Workload, dir: &Path, report: &mut Report) -> Outcome {
    let home = dir.join("atomic");
    let count = (plan.syncs / 4).max(1);
    let config = StreamConfig::new().durability(Durability::EachPublish);
    let (store, all) = made(&home.join("store"), 3, &StoreOptions::new(), &config)?;
    let [apart, together] = in_turns(
        plan.rounds,
        [
            &mut |_| {
                let begun = Instant::now();
                for number in 0..count {
                    for stream in &all {
                        publish(stream, workload.message(number))?;
                    }
                }
                Ok(nanos_each(begun, count))
            },
            &mut |_| {
                let begun = Instant::now();
                for number in 0..count {
                    let message = [workload.message(number)];
                    let parts: Vec<_> = all.iter().map(|stream| (stream, 0, &message[..])).collect();
                    store.publish_to(&parts)?;
                }
                Ok(nanos_each(begun, count))
            },
        ],
    )?;
    store.close()?;
    drop((store, all));
    machine::clear(&home)?;
    report.add(Row {
        id: "ST3",
        what: "publish to 3 streams at once; limit: to each in turn, durably".to_owned(),
        unit: Unit::Micros,
        limit: Some(apart),
        library: together,
        target: Target::None,
    });
    Ok(())
}

/// ST4: idle streams whose messages expire.
fn expire(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let dir = dir.join("expire");
    let streams = (plan.logs / 10).max(1);
    let figures = child::numbers(EXPIRE, &dir, streams)?;
    machine::clear(&dir)?;
    let rows = [
        ("that have expired", Unit::Count, Target::AtLeast(streams as f64)),
        (
            "the last, after its age",
            Unit::Millis,
            Target::AtMost(EXPIRY_TICK.as_nanos() as f64),
        ),
        (
            "share of a processor, in percent",
            Unit::Count,
            Target::AtMost(1.0),
        ),
    ];
    for ((what, unit, target), figure) in rows.into_iter().zip(figures) {
        add(
            report,
            "ST4",
            format!("{streams} idle streams: {what}"),
            unit,
            figure,
            target,
        );
    }
    Ok(())
}

const EXPIRY_AGE: Duration = Duration::from_secs(120);
/// A sixteenth of the age.
const EXPIRY_TICK: Duration = Duration::from_millis(7_500);

/// The child that publishes one message to each stream and waits until all are gone.
pub(crate) fn expire_child(dir: &Path, streams: u64) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let gone: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&gone);
    let log = Options::new().on_event(move |_: &Path, event: &Event| {
        if matches!(event, Event::RetentionRemoved { .. }) {
            noted.lock().push(Instant::now());
        }
    });
    let options = StoreOptions::new().idle_after(Duration::from_secs(1)).log(log);
    let config = StreamConfig::new().retention(RetentionConfig::new().max_age(EXPIRY_AGE));
    let (store, all) = made(dir, streams, &options, &config)?;
    for (number, stream) in (0..).zip(&all) {
        publish(stream, workload.message(number))?;
    }
    let last = Instant::now();
    // They become idle first.
    thread::sleep(Duration::from_secs(10));
    let (cpu, begun) = (cpu_seconds()?, Instant::now());
    let deadline = last + EXPIRY_AGE + 4 * EXPIRY_TICK;
    while (gone.lock().len() as u64) < streams && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    // Over the whole time that a message lives.
    let used = cpu_seconds()? - cpu;
    let percent = 100.0 * used / begun.elapsed().as_secs_f64();
    let gone = gone.lock().clone();
    let late = gone.last().map_or(f64::INFINITY, |gone| {
        gone.saturating_duration_since(last + EXPIRY_AGE).as_nanos() as f64
    });
    println!("{} {late} {percent}", gone.len());
    store.close()?;
    Ok(())
}

/// The processor time of this process.
fn cpu_seconds() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}
