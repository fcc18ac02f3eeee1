//! What may not stand in a source file.

use std::fs;
use std::path::Path;

use super::{Source, assert_found, assert_none, read, root, sources};

const LINE_LEN_MAX: usize = 120;

/// The longest line of prose in a Markdown file.
const PROSE_LEN_MAX: usize = 100;

/// Marks of unfinished work, put together so that this file has none.
const LEFTOVERS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];

const UNFINISHED_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

const PRINTING_MACROS: [&str; 4] = ["print", "println", "eprint", "eprintln"];

/// Files outside `src/sys` that may have unsafe code, and why.
const UNSAFE_ALLOWED: &[(&str, &str)] = &[
    (
        "tests/disk/locks/fork.rs",
        "there is no other way into the child of a fork",
    ),
    (
        "benches/targets/limit.rs",
        "what the hardware allows is measured through a mapping",
    ),
    (
        "benches/targets/open.rs",
        "what the hardware allows is measured through a mapping",
    ),
];

fn at(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path)
}

fn long_lines(source: &Source) -> Vec<String> {
    let too_long = |line: &str| line.chars().count() > LINE_LEN_MAX;
    let lines = source.text.lines().zip(1..);
    lines
        .filter(|(line, _)| too_long(line))
        .map(|(_, number)| at(source, number, "over 120 characters"))
        .collect()
}

/// The paths of all Markdown files of the project, relative to it.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    collect_pages(&root(), &mut pages);
    pages.sort();
    pages
}

fn collect_pages(folder: &Path, pages: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder that can be listed") {
        let path = entry.expect("a folder that can be listed").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && ![".git", "target", "corpus", "artifacts"].contains(&name) {
            collect_pages(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let relative = path.strip_prefix(root()).expect("inside the project");
            pages.push(relative.to_str().expect("a plain name").replace('\\', "/"));
        }
    }
}

/// Lines of prose that are too long. Tables, link definitions, code blocks and URLs may be longer.
fn long_prose(path: &str, text: &str) -> Vec<String> {
    let is_definition = |line: &str| line.starts_with('[') && line.contains("]: ");
    // A URL cannot be broken. It counts as one character.
    let len = |line: &str| -> usize {
        let words = line.split(' ');
        let lens = words.map(|word| {
            if word.contains("://") {
                1
            } else {
                word.chars().count()
            }
        });
        lens.map(|len| len + 1).sum::<usize>().saturating_sub(1)
    };
    let mut is_code = false;
    let mut problems = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let is_exempt = is_code || line.trim_start().starts_with('|') || is_definition(line);
        if !is_exempt && len(line) > PROSE_LEN_MAX {
            problems.push(format!(
                "{path}:{number}: over {PROSE_LEN_MAX} characters of prose"
            ));
        }
    }
    problems
}

fn leftovers(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, number) in source.text.lines().zip(1..) {
        let words = line.split(|c: char| !c.is_alphanumeric());
        for word in words.filter(|word| LEFTOVERS.contains(word)) {
            problems.push(at(source, number, &format!("{word} left over")));
        }
    }
    for name in UNFINISHED_MACROS {
        for found in source.code.find(&[name, "!"]) {
            problems.push(at(source, source.code.line(found), &format!("{name}! left over")));
        }
    }
    problems
}

fn unsafe_code(source: &Source) -> Vec<String> {
    let is_allowed = UNSAFE_ALLOWED.iter().any(|(path, _)| *path == source.path);
    if source.is_in("src/sys/") || is_allowed {
        return Vec::new();
    }
    let found = source.code.find(&["unsafe"]);
    found
        .map(|found| at(source, source.code.line(found), "unsafe outside src/sys"))
        .collect()
}

/// Lints are silenced only with a reason, and tests are not ignored at all: what is slow is made smaller by a variable.
fn attributes(source: &Source) -> Vec<String> {
    let code = &source.code;
    let mut problems = Vec::new();
    for begin in code.find(&["#"]) {
        let open = begin + 1 + usize::from(code.text(begin + 1) == "!");
        if code.text(open) != "[" {
            continue;
        }
        let close = code.closing(open);
        for found in open..close {
            let silences = ["allow", "expect"].contains(&code.text(found)) && code.text(found + 1) == "(";
            let has_reason =
                || (found..code.closing(found + 1)).any(|at| code.has(at, &["reason", "=", "\"\""]));
            if silences && !has_reason() {
                let what = format!("#[{}(..)] without a reason", code.text(found));
                problems.push(at(source, code.line(found), &what));
            }
        }
        if code.text(open + 1) == "ignore" {
            problems.push(at(source, code.line(open), "a test is ignored"));
        }
    }
    problems
}

/// The library says what it has to say in its results. Examples and tests may print.
fn printing(source: &Source) -> Vec<String> {
    if !source.is_in("src/") || source.is_in("src/bin/") || source.is_test() {
        return Vec::new();
    }
    let code = &source.code;
    let tests: Vec<_> = code
        .find(&["mod", "tests", "{"])
        .map(|begin| begin..code.closing(begin + 2))
        .collect();
    let mut problems = Vec::new();
    for name in PRINTING_MACROS {
        for found in code.find(&[name, "!"]) {
            if !tests.iter().any(|tests| tests.contains(&found)) {
                problems.push(at(source, code.line(found), &format!("{name}! in the library")));
            }
        }
    }
    problems
}

fn check(sources: &[Source]) -> Vec<String> {
    let checks = [long_lines, leftovers, unsafe_code, attributes, printing];
    sources
        .iter()
        .flat_map(|source| checks.iter().flat_map(move |check| check(source)))
        .collect()
}

#[test]
fn nothing_stands_where_it_should_not() {
    assert_none(&check(&sources()));
}

#[test]
fn prose_in_markdown_is_narrow() {
    let pages = pages();
    assert!(
        ["README.md", "docs/design.md"]
            .iter()
            .all(|page| pages.iter().any(|path| path == page))
    );
    let problems: Vec<String> = pages
        .iter()
        .flat_map(|path| long_prose(path, &read(path)))
        .collect();
    assert_none(&problems);
}

#[test]
fn wide_prose_is_found() {
    let wide = "x".repeat(PROSE_LEN_MAX + 1);
    let text = format!("{wide}\n```\n{wide}\n```\n| {wide} |\n[x]: {wide}\n- {wide}\n");
    let expected = ["a.md:1: over 100", "a.md:7: over 100"];
    assert_found(&long_prose("a.md", &text), &expected);
    let fine = format!("{}\nsee <https://{wide}>\n", &wide[1..]);
    assert_none(&long_prose("a.md", &fine));
}

#[test]
fn exceptions_are_needed() {
    let sources = sources();
    for (path, reason) in UNSAFE_ALLOWED {
        let source = sources.iter().find(|source| source.path == *path);
        let is_needed = source.is_some_and(|source| source.code.find(&["unsafe"]).next().is_some());
        assert!(is_needed && !reason.is_empty(), "{path} needs no exception");
    }
}

#[test]
fn every_rule_can_be_broken() {
    let long = format!("// {}\n", "x".repeat(LINE_LEN_MAX));
    let [word, name] = [LEFTOVERS[0], UNFINISHED_MACROS[0]];
    let leftover = format!("// {word}: later\n fn f() {{ {name}!() }}");
    let ignored = format!("#[test]\n#[{}]\nfn f() {{}}", "ignore");
    let samples = [
        (long.as_str(), "over 120"),
        (leftover.as_str(), "left over"),
        ("fn f() { unsafe { g() } }", "unsafe outside"),
        ("#[expect(dead_code)] fn f() {}", "without a reason"),
        ("#![allow(dead_code, clippy::all)]", "without a reason"),
        (
            "#[cfg_attr(test, expect(dead_code))] fn f() {}",
            "without a reason",
        ),
        (ignored.as_str(), "is ignored"),
        ("fn f() { println!(\"\"); }", "println! in the library"),
    ];
    for (text, expected) in samples {
        let problems = check(&[Source::new("src/log/sample.rs", text)]);
        let many = vec![expected; problems.len().max(1)];
        assert_found(&problems, &many);
    }
}

#[test]
fn what_is_right_is_left_alone() {
    let text = "
        //! unsafe, println!(), #[allow(dead_code)]
        #[expect(dead_code, reason = \"a sample\")]
        fn f() -> &'static str { \"unsafe { println!() }\" }
        fn expect(value: Option<u8>) -> u8 { value.expect(\"a value\") }
        mod tests { fn f() { println!(); } }
    ";
    assert_none(&check(&[Source::new("src/log/sample.rs", text)]));
    assert_none(&check(&[Source::new(
        "src/sys/sample.rs",
        "fn f() { unsafe {} }",
    )]));
    assert_none(&check(&[Source::new(
        "src/bin/duramen/sample.rs",
        "fn f() { println!() }",
    )]));
}
