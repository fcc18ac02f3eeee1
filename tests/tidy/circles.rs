//! No files of a crate use each other in a circle, so that each can be read and understood after those it uses.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Modules, Use};
use super::{Source, assert_found, assert_none, sources};

const ROOTS: [&str; 2] = ["src/lib.rs", "src/bin/duramen/main.rs"];

/// The files that can be reached from each file by going from user to used.
fn reached(uses: &BTreeSet<Use>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Use { from, to, .. } in uses {
        next.entry(from).or_default().insert(to);
    }
    let reach = |start: &str| {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&str> = next[start].iter().copied().collect();
        while let Some(file) = waiting.pop() {
            if seen.insert(file) {
                waiting.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    next.keys().map(|start| (*start, reach(start))).collect()
}

/// Each circle as the list of its files, and of the uses among them.
fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for root in ROOTS {
        let uses = Modules::read(sources, root).uses();
        let graph = reached(&uses);
        let is_mutual = |one: &str, other: &str| {
            let reaches = |from: &str, to: &str| graph.get(from).is_some_and(|files| files.contains(to));
            reaches(one, other) && reaches(other, one)
        };
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for file in graph.keys().copied() {
            if !is_mutual(file, file) || told.contains(file) {
                continue;
            }
            let files: Vec<&str> = graph
                .keys()
                .copied()
                .filter(|other| is_mutual(file, other))
                .collect();
            told.extend(files.iter().copied());
            problems.push(describe(&files, &uses));
        }
    }
    problems
}

/// The files, and for each that uses another the first place where it does.
fn describe(files: &[&str], uses: &BTreeSet<Use>) -> String {
    let mut first = BTreeMap::new();
    for one in uses {
        if files.contains(&&*one.from) && files.contains(&&*one.to) {
            first.entry((&one.from, &one.to)).or_insert(one);
        }
    }
    let mut lines = vec![format!("a circle of {} files: {}", files.len(), files.join(", "))];
    lines.extend(
        first
            .values()
            .map(|Use { from, to, line, path }| format!("    {from}:{line}: uses {path} of {to}")),
    );
    lines.join("\n")
}

#[test]
fn files_use_each_other_in_no_circle() {
    assert_none(&check(&sources()));
}

#[test]
fn circles_are_found() {
    let sources = [
        Source::new(
            "src/lib.rs",
            "mod a; mod b; mod c; mod d; pub use a::A; pub use b::B;",
        ),
        Source::new("src/a.rs", "use crate::B; pub struct A;"),
        Source::new("src/b.rs", "pub struct B(crate::c::C);"),
        Source::new(
            "src/c.rs",
            "use super::A; pub struct C; #[cfg(test)] mod tests { use crate::d::D; }",
        ),
        Source::new("src/d.rs", "use crate::{A, c::C};"),
    ];
    let problems = check(&sources);
    assert_found(
        &problems,
        &["a circle of 3 files: src/a.rs, src/b.rs, src/c.rs\n"],
    );
    assert!(
        problems[0].contains("src/c.rs:1: uses super::A of src/a.rs"),
        "{problems:?}"
    );
    assert_none(&check(&sources[..3]));
}
