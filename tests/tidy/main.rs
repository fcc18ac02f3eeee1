//! Reads the sources and holds them to the rules of the project, so that nobody has to.
//!
//! Every check is a function from sources to a list of problems. Each has a test that gives it the real sources, and
//! one that gives it a sample that breaks the rule, because a check that cannot fail checks nothing.

mod circles;
mod code;
mod comments;
mod layers;
mod manifest;
mod modules;
mod paths;
mod size;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use code::Code;

/// A file of the project.
struct Source {
    /// Relative to the project, with `/`.
    path: String,
    text: String,
    code: Code,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: Code::new(text),
        }
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether the file holds nothing but tests.
    fn is_test(&self) -> bool {
        self.is_in("tests/") || self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files of the project, of its fuzz targets and of its comparisons too.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz", "s2", "s2-tests"] {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(root()).expect("inside the project");
            let relative = relative.to_str().expect("a plain name").replace('\\', "/");
            Source::new(&relative, &read(&relative))
        })
        .collect();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"));
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    // A published package has not all of the folders.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a folder that can be listed").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !["target", "corpus", "artifacts"].contains(&name) {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Fails with all of the problems, if there are any.
#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Fails unless the sample has exactly these problems, each named by a part of what is said about it.
#[track_caller]
fn assert_found(problems: &[String], expected: &[&str]) {
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, part) in problems.iter().zip(expected) {
        assert!(problem.contains(part), "{problem:?} does not say {part:?}");
    }
}
