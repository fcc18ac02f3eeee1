//! The contract of `Log`, as far as S2 can keep it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use duramen::testing::{self, Case};

use crate::left_out::{BY_CHANCE, LEFT_OUT};
use crate::server::new_log;

/// What came of the cases: those that failed, with the message.
#[derive(Default)]
struct Found {
    passed: BTreeSet<&'static str>,
    failed: BTreeMap<&'static str, String>,
}

/// Runs these cases, on a few threads, because most of the time is spent waiting for the server.
fn run(chosen: impl Fn(&Case) -> bool) -> Found {
    let cases: Vec<&Case> = testing::cases().iter().filter(|case| chosen(case)).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Found::default()));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report =
                        testing::run_where(&|_| Box::new(new_log()), |other| other.name == case.name);
                    let mut found = found.lock().unwrap();
                    found.passed.extend(report.passed);
                    let failed = report.failed.into_iter();
                    found
                        .failed
                        .extend(failed.map(|failure| (failure.name, failure.message)));
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn left_out() -> BTreeMap<&'static str, &'static str> {
    let cases = LEFT_OUT
        .iter()
        .flat_map(|(reason, cases)| cases.iter().map(move |case| (*case, *reason)));
    cases.collect()
}

#[test]
fn a_log_on_s2_keeps_the_contract_as_far_as_s2_can() {
    let left_out = left_out();
    let found = run(|case| !case.heavy && !left_out.contains_key(case.name));
    let heavy = testing::cases().iter().filter(|case| case.heavy).count();
    println!(
        "{} cases passed, {} left out for {} reasons, {heavy} take gigabytes",
        found.passed.len(),
        left_out.len(),
        LEFT_OUT.len(),
    );
    assert!(found.failed.is_empty(), "{:#?}", found.failed);
    assert!(found.passed.len() > 300, "{}", found.passed.len());
}

/// Nothing is left out that S2 can do. Most of these cases fail in their first call, so this is quick.
#[test]
fn what_is_left_out_is_there_and_fails() {
    let left_out = left_out();
    let names: BTreeSet<&str> = testing::cases().iter().map(|case| case.name).collect();
    for name in left_out.keys() {
        assert!(names.contains(name), "there is no case {name}");
    }
    let found = run(|case| left_out.contains_key(case.name) && case.name != BY_CHANCE);
    assert!(found.passed.is_empty(), "{:#?}", found.passed);
}
