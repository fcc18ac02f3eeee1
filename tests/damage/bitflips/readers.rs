//! Damage met by readers.

use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::Duration;

use duramen::{Options, check};

use super::damage::{self, Damage, Damaged, What};
use super::frames;
use super::oracle::{Depth, Seen, examine, is_corrupt, without_panic};
use super::subject::{self, Subject};
use crate::common::{child, number, role, run_child_within, seed};
use crate::verdict::Verdict;

/// The children among which the logs are divided, what each of them is told, and how long it may take, or may take if
/// more is asked for than by default.
const PARTS: usize = 2;
const ROLE: &str = "bits for readers ";
const LIMIT: Duration = Duration::from_secs(15 * 60);
const LIMIT_LONG: Duration = Duration::from_secs(12 * 60 * 60);

/// How an open of a damaged log and all reading of it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Everything is there and right.
    Right,
    /// It does not open, and says where it is corrupt.
    CorruptAtOpen,
    /// What is not damaged can be read, the rest is reported.
    CorruptAtRead,
    /// It ends earlier, but not before what had been acknowledged as durable.
    Shortened,
    /// It ends before what had been acknowledged, and all that could have told is gone with it.
    EvidenceGone,
}

/// What became of damage of each kind: how often, and examples of what went wrong.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<(String, Class), u64>,
    failures: BTreeMap<String, Vec<String>>,
}

pub(crate) fn reader(subject: &Subject) -> Options {
    subject.options.clone().create_dirs(false).read_only(true)
}

/// Goal: no damage to one place of a log is ever passed off as data. Method: every bit, length and block of every file
/// of small logs, one at a time, and reader calls compared with a model after an open for reading only.
#[test]
fn damage_is_reported_or_does_not_matter() {
    let seed = seed("bitflips");
    let is_long = ["DURAMEN_BITS_STRIDE", "DURAMEN_BITS_FULL"]
        .iter()
        .any(|name| env::var_os(name).is_some());
    let limit = if is_long { LIMIT_LONG } else { LIMIT };
    // Threads of one process would wait for each other whenever one of them unmaps a file.
    thread::scope(|scope| {
        for part in 0..PARTS {
            let mut child = child(module_path!(), &format!("{ROLE}{part}"));
            child.env("DURAMEN_SEED", seed.to_string());
            scope.spawn(|| run_child_within(limit, child));
        }
    });
}

/// What the children of this test do.
#[test]
fn in_a_child() {
    let Some(part) = role().and_then(|role| role.strip_prefix(ROLE)?.parse().ok()) else {
        return;
    };
    let mut tally = Tally::default();
    for subject in subject::all(seed("bitflips")).iter().skip(part).step_by(PARTS) {
        tally.go_through(subject);
    }
    tally.print();
    assert!(tally.failures.is_empty(), "damage was passed off as data");
}

impl Tally {
    fn go_through(&mut self, subject: &Subject) {
        let stride = usize::try_from(number("DURAMEN_BITS_STRIDE", 389)).expect("a stride");
        let full = usize::try_from(number("DURAMEN_BITS_FULL", 64)).expect("a stride");
        let intact = reader(subject)
            .open(subject.dir())
            .expect("an open of what is not damaged");
        let seen = examine(&intact, &subject.model, subject.dir(), Depth::Full);
        let expected = Seen {
            next_offset: subject.model.len() as u64,
            ..Seen::default()
        };
        assert_eq!(seen, Ok(expected), "{}", subject.name);
        drop(intact);
        for (n, damage) in damage::all(subject, stride).iter().enumerate() {
            let depth = if n % full == 0 { Depth::Full } else { Depth::Once };
            let _damaged = Damaged::new(subject, damage);
            let verdict = without_panic(|| {
                let class = judge(subject, damage, depth)?;
                if depth == Depth::Full {
                    check_reports(subject, damage, class)?;
                }
                Ok(class)
            });
            let kind = kind(subject, damage);
            match verdict {
                Ok(class) => *self.counts.entry((kind, class)).or_default() += 1,
                Err(wrong) => {
                    let text = format!("{}: {damage}: {wrong}", subject.files[damage.file].0);
                    self.failures.entry(kind).or_default().push(text);
                }
            }
        }
    }

    fn print(&self) {
        for ((what, class), count) in &self.counts {
            println!("{count:>8}  {what}: {class:?}");
        }
        for (kind, failures) in &self.failures {
            println!("{:>8}  {kind}: WRONG, for instance", failures.len());
            for failure in failures.iter().step_by(failures.len().div_ceil(5)) {
                println!("          {failure}");
            }
        }
    }
}

fn kind(subject: &Subject, damage: &Damage) -> String {
    let what = match damage.what {
        What::Flip { .. } => "bits",
        What::Cut { .. } => "lengths",
        What::Replace { .. } => "blocks",
    };
    let name = &subject.files[damage.file].0;
    let file = if name.starts_with("meta") {
        "meta"
    } else {
        name.rsplit('.').next().unwrap_or_default()
    };
    format!("{}, {file}, {what}", subject.name)
}

/// Opens the damaged log for reading and asks it.
fn judge(subject: &Subject, damage: &Damage, depth: Depth) -> Verdict<Class> {
    let damaged = damage.what.range(subject.files[damage.file].1.len());
    let proven = frames::proven(subject, damage.file, &damaged);
    let is_above_frontier = is_above_frontier(subject, damage);
    let log = match reader(subject).open(subject.dir()) {
        Ok(log) => log,
        Err(error) => {
            is_corrupt(&error, subject.dir())?;
            return if is_above_frontier {
                Err(format!("a torn tail is taken for damage: {error}"))
            } else {
                Ok(Class::CorruptAtOpen)
            };
        }
    };
    let Seen {
        next_offset, corrupt, ..
    } = examine(&log, &subject.model, subject.dir(), depth)?;
    if next_offset < proven {
        return Err(format!(
            "ends at {next_offset}, but {proven} is known to have been durable"
        ));
    }
    if corrupt > 0 && is_above_frontier {
        return Err("what lies above the frontier is taken for damage".to_owned());
    }
    if next_offset < subject.acknowledged {
        return match damage.what {
            // In the marker: it alone may tell readers that the last batch is durable. A writer keeps the batch.
            What::Flip { .. } if !is_in_marker(subject, damage) => Err(format!(
                "one bit has cost what was acknowledged: ends at {next_offset}"
            )),
            _ => Ok(Class::EvidenceGone),
        };
    }
    Ok(if next_offset < subject.model.len() as u64 {
        Class::Shortened
    } else if corrupt > 0 {
        Class::CorruptAtRead
    } else {
        Class::Right
    })
}

/// Whether the damage lies in the marker behind the last batch.
fn is_in_marker(subject: &Subject, damage: &Damage) -> bool {
    let last = subject.segments.last().filter(|last| last.file == damage.file);
    let marker = last.and_then(|last| last.frames.last());
    let start = damage.what.range(subject.files[damage.file].1.len()).start;
    marker.is_some_and(|marker| marker.is_marker && start >= marker.start)
}

/// Whether all that is damaged lies behind everything that was durable.
fn is_above_frontier(subject: &Subject, damage: &Damage) -> bool {
    let Some(segment) = subject.segments.last().filter(|last| last.file == damage.file) else {
        return false;
    };
    let durable = segment
        .frames
        .iter()
        .filter(|frame| frame.next_offset <= subject.acknowledged);
    let durable_end = durable.map(|frame| frame.end).max().unwrap_or(192);
    damage.what.range(subject.files[damage.file].1.len()).start >= durable_end
}

/// A check must find what readers stumble over, and all damage to what is in use even if they do not.
fn check_reports(subject: &Subject, damage: &Damage, class: Class) -> Verdict<()> {
    let report = check(subject.dir(), &reader(subject)).map_err(|error| format!("check: {error}"))?;
    let range = damage.what.range(subject.files[damage.file].1.len());
    let is_in_use = match subject.segment_of(damage.file) {
        Some(segment) => range.start < segment.end() && !is_above_frontier(subject, damage),
        // A block of another index file makes it one of another segment: out of date, which is no problem.
        None => !matches!(damage.what, What::Replace { .. }) && !subject.is_older_copy(damage.file),
    };
    let must_find = match class {
        Class::CorruptAtOpen | Class::CorruptAtRead => true,
        Class::Right => is_in_use,
        Class::Shortened | Class::EvidenceGone => false,
    };
    if must_find && report.is_clean() {
        return Err(format!("{class:?}, but a check finds nothing"));
    }
    Ok(())
}
