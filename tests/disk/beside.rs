//! A service that publishes, beside other processes that look at its log, and are killed.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_BESIDE_SECONDS` | how long each service runs; default 4, for a release 60 |
//! | `DURAMEN_BESIDE_REST` | how many ms who checks and backs up rests in between; default 100; 0 at full speed |

#![expect(clippy::cast_precision_loss, reason = "rates of messages")]

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{
    BlockingLog, Durability, FileLog, Log, LogExt as _, NewMessage, Options, Start, Timestamp, check, stat,
};
use fastrand::Rng;

use crate::common::{child, number, role, seed};

const TAILS: usize = 4;
/// The least rate that the service keeps beside all who look at its log, of the rate that it has alone.
const RATE_MIN: f64 = 0.9;
/// How long a message may be on its way, for 99 of 100.
const LAG_MAX: Duration = Duration::from_millis(20);

/// Lags are counted in steps of so many microseconds, so that little has to be said of them.
const LAG_STEP: i64 = 50;

/// How many messages took how long.
type Lags = BTreeMap<i64, u64>;

fn options(durability: Durability) -> Options {
    let options = Options::new().create_dirs(true).key_index(true).rollover(1 << 20);
    options.durability(durability)
}

/// What the children do.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    match role.split_once(' ') {
        Some(("tail", from)) => tail(&dir, from.parse().expect("an offset")),
        Some((_, rest)) => inspect(&dir, Duration::from_millis(rest.parse().expect("a number"))),
        None => unreachable!("no such role"),
    }
}

/// Follows the log; tells every now and then how far it is and how long messages took, until the service says the end.
fn tail(dir: &Path, from: u64) {
    let log = options(Durability::Os)
        .read_only(true)
        .open(dir)
        .expect("a reader");
    let log = BlockingLog::new(log);
    let (mut next, mut lags) = (from, Lags::new());
    // What was published while this process was started took as long as that.
    let begun = Timestamp::now().as_micros();
    let mut told = Instant::now();
    loop {
        let batch = log.consume_blocking(Start::At(next), 1000, None).expect("reads");
        let now = Timestamp::now().as_micros();
        for message in &batch.messages {
            assert_eq!(message.offset, next, "a message is missing, or comes twice");
            next += 1;
            let published = message.time.as_micros();
            if published >= begun {
                *lags.entry((now - published) / LAG_STEP).or_default() += 1;
            }
        }
        let is_over = batch
            .messages
            .last()
            .is_some_and(|last| last.key.as_deref() == Some(b"end"));
        if is_over || told.elapsed() > Duration::from_millis(50) {
            told = Instant::now();
            let lags = std::mem::take(&mut lags).into_iter();
            let lags: Vec<String> = lags.map(|(step, count)| format!("{step}:{count}")).collect();
            let mut line = format!("\nat {next} {}", lags.join(" ")).into_bytes();
            line.push(b'\n');
            std::io::stdout().write_all(&line).expect("a parent");
        }
        if is_over {
            return;
        }
    }
}

/// Looks at the log in all ways that the tool has, in turn, and rests in between.
fn inspect(dir: &Path, rest: Duration) {
    let rest = || thread::sleep(rest);
    let copies = tempfile::tempdir().expect("a directory");
    for round in 0.. {
        let report = check(dir, &Options::new()).expect("a check");
        assert!(report.is_clean(), "{report:?}");
        rest();
        stat(dir, &Options::new()).expect("figures");
        rest();
        let copy = copies.path().join((round % 2).to_string());
        duramen::backup(dir, &copy).expect("a backup");
        println!("\nround {round}");
        rest();
    }
}

/// Whom the service does not see: a process that looks at its log, and what it has told.
struct Beside {
    child: Child,
    listener: thread::JoinHandle<(u64, Lags)>,
}

impl Beside {
    fn start(dir: &Path, role: &str, at: &Arc<AtomicU64>) -> Beside {
        let mut command = child(module_path!(), role);
        command.env("DURAMEN_DIR", dir).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a child");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let at = Arc::clone(at);
        let listener = thread::spawn(move || {
            let (mut reached, mut lags) = (0, Lags::new());
            for line in said.lines().map_while(Result::ok) {
                if let Some((next, rest)) = line.strip_prefix("at ").and_then(|line| line.split_once(' ')) {
                    reached = next.parse().expect("an offset");
                    at.store(reached, Ordering::Relaxed);
                    for lag in rest.split_whitespace() {
                        let (step, count) = lag.split_once(':').expect("a step and a count");
                        *lags.entry(step.parse().expect("a number")).or_default() +=
                            count.parse::<u64>().expect("a number");
                    }
                }
            }
            (reached, lags)
        });
        Beside { child, listener }
    }

    /// Kills it; returns how far it was.
    fn kill(mut self) -> (u64, Lags) {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .expect("a child");
        self.listener.join().expect("no panic")
    }

    /// Waits for its end, which is to be a good one.
    fn end(mut self) -> (u64, Lags) {
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "a reader failed: {status}");
        self.listener.join().expect("no panic")
    }
}

/// Publishes for so long, at most so many messages a second; returns how many a second.
fn publish(log: &FileLog, seconds: f64, rate: Option<f64>, passed: &dyn Fn() -> u64) -> f64 {
    let begun = Instant::now();
    let mut count: u64 = 0;
    let value = [7; 100];
    while begun.elapsed().as_secs_f64() < seconds {
        let ahead = rate.map(|rate| count as f64 / rate - begun.elapsed().as_secs_f64());
        if let Some(ahead) = ahead.filter(|ahead| *ahead > 0.0) {
            thread::sleep(Duration::from_secs_f64(ahead));
        }
        for _ in 0..10 {
            let key = (count % 100).to_le_bytes();
            log.publish_one(NewMessage::new(&key, &value)).expect("publishes");
            count += 1;
        }
        if count.is_multiple_of(20_000) {
            let passed = passed();
            log.delete(&(passed.saturating_sub(20)..passed).collect())
                .expect("deletes");
            log.trim(passed.saturating_sub(5000)).expect("trims");
        }
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

fn add(lags: &mut Lags, seen: Lags) {
    for (step, count) in seen {
        *lags.entry(step).or_default() += count;
    }
}

/// Goal: who looks at a log is not in its writer's way, gets every message once in order, and finds no damage, whatever
/// the writer does and whoever dies. Method: see the head of this file; tails that are killed go on where they were.
fn serve(durability: Durability, rate: Option<f64>) {
    let reached: Vec<Arc<AtomicU64>> = (0..=TAILS).map(|_| Arc::default()).collect();
    let seconds = number("DURAMEN_BESIDE_SECONDS", 4) as f64;
    let random = &mut Rng::with_seed(seed(&format!("beside, {durability:?}, {rate:?}")));
    let is_bound = rate.is_some() || durability == Durability::EachPublish;
    let rest = if is_bound { 100 } else { 0 };
    let inspect = format!("inspect {}", number("DURAMEN_BESIDE_REST", rest));
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("log");
    let log = options(durability).open(&dir).expect("a new log");
    // The same work, deletes and trims included.
    let all = || log.next_offset().expect("open");
    let before = publish(&log, seconds / 4.0, rate, &all);
    let from = log.next_offset().expect("open");
    for reached in &reached {
        reached.store(from, Ordering::Relaxed);
    }
    let start = |number: usize, at: u64| Beside::start(&dir, &format!("tail {at}"), &reached[number]);
    let mut tails: Vec<Beside> = (0..TAILS).map(|number| start(number, from)).collect();
    let mut inspector = Beside::start(&dir, &inspect, &reached[TAILS]);
    let mut lags = Lags::new();
    let (is_over, mut kills) = (AtomicBool::new(false), 0_u32);
    let beside = thread::scope(|scope| {
        let log = &log;
        let publisher = scope.spawn(|| {
            let passed = || {
                let tails = reached[..TAILS]
                    .iter()
                    .map(|reached| reached.load(Ordering::Relaxed));
                tails.min().unwrap_or(0)
            };
            let rate = publish(log, seconds, rate, &passed);
            is_over.store(true, Ordering::Relaxed);
            rate
        });
        while !is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(random.u64(500..3500)));
            if kills.is_multiple_of(2) {
                let number = random.usize(..TAILS);
                let (told, seen) = tails.swap_remove(number).kill();
                add(&mut lags, seen);
                let at = told.max(reached[number].load(Ordering::Relaxed));
                tails.push(start(number, at));
                let last = tails.len() - 1;
                tails.swap(number, last);
            } else {
                let next = Beside::start(&dir, &inspect, &reached[TAILS]);
                std::mem::replace(&mut inspector, next).kill();
            }
            kills += 1;
        }
        publisher.join().expect("no panic")
    });
    log.publish_one(NewMessage::new(b"end", b"")).expect("publishes");
    let end = log.next_offset().expect("open");
    for tail in tails {
        let (told, seen) = tail.end();
        assert_eq!(told, end);
        add(&mut lags, seen);
    }
    inspector.kill();
    let after = publish(&log, seconds / 4.0, rate, &all);
    let alone = f64::midpoint(before, after);
    assert!(check(&dir, &Options::new()).expect("a check").is_clean());
    let what = format!("{durability:?}, rate {rate:?}, {kills} killed");
    judge(&what, [alone, beside], &lags, is_bound);
}

/// Prints the figures of a service, alone and beside all who look at its log. In a long run, they have to keep the
/// bounds if `is_bound`.
fn judge(what: &str, [alone, beside]: [f64; 2], lags: &Lags, is_bound: bool) {
    let total = lags.values().sum::<u64>() as f64;
    let at = |part: f64| {
        let mut below = 0;
        let step = lags.iter().find(|(_, count)| {
            below += **count;
            below as f64 >= total * part
        });
        step.map_or(f64::NAN, |(step, _)| ((step + 1) * LAG_STEP) as f64 / 1000.0)
    };
    println!(
        "{what}: alone {alone:.0} messages/s, beside {beside:.0} ({:.2}); \
         lag p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
        beside / alone,
        at(0.5),
        at(0.99),
        at(0.999),
    );
    if number("DURAMEN_BESIDE_SECONDS", 4) >= 60 && is_bound {
        assert!(beside / alone >= RATE_MIN, "the publisher was slowed down");
        assert!(
            at(0.99) <= LAG_MAX.as_secs_f64() * 1000.0,
            "messages took too long"
        );
    }
}

#[test]
fn a_service_that_waits_for_the_disk_is_looked_at() {
    serve(Durability::EachPublish, None);
}

#[test]
fn a_service_at_a_steady_rate_is_looked_at() {
    serve(Durability::Os, Some(20_000.0));
}

/// At full speed, the readers take what the publisher leaves of the processors.
#[test]
fn a_service_at_full_speed_is_looked_at() {
    serve(Durability::Os, None);
}
