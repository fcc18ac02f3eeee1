//! Functions and files are short enough to be read at once.

use super::{Source, assert_found, assert_none, sources};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// Functions that may be longer, by file and name, and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The functions that have a body.
fn functions(source: &Source) -> Vec<Function> {
    let code = &source.code;
    let mut found = Vec::new();
    for begin in code.find(&["fn"]) {
        let mut at = begin + 1;
        while !["{", ";", ""].contains(&code.text(at)) {
            at = if ["(", "["].contains(&code.text(at)) {
                code.closing(at) + 1
            } else {
                at + 1
            };
        }
        // A type like `fn(u8) -> u8` has no name, and a method of a trait may have no body.
        if code.text(at) != "{" || code.text(begin + 1) == "(" {
            continue;
        }
        found.push(Function {
            name: code.text(begin + 1).to_owned(),
            line: code.line(begin),
            lines: code.line(code.closing(at)) - code.line(begin) + 1,
        });
    }
    found
}

fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let path = &source.path;
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX && !LONG_FILES.iter().any(|(long, _)| long == path) {
            problems.push(format!("{path}: {lines} lines, more than {FILE_LINES_MAX}"));
        }
        for Function { name, line, lines } in functions(source) {
            let is_exception = LONG_FUNCTIONS
                .iter()
                .any(|(file, long, _)| (file, long) == (&path.as_str(), &&*name));
            if lines > FUNCTION_LINES_MAX && !is_exception {
                problems.push(format!(
                    "{path}:{line}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}"
                ));
            }
        }
    }
    problems
}

#[test]
fn functions_and_files_are_short() {
    assert_none(&check(&sources()));
}

#[test]
fn exceptions_are_needed() {
    let sources = sources();
    let source = |path: &str| sources.iter().find(|source| source.path == path);
    for (path, reason) in LONG_FILES {
        let lines = source(path).map_or(0, |source| source.text.lines().count());
        assert!(
            lines > FILE_LINES_MAX && !reason.is_empty(),
            "{path} needs no exception"
        );
    }
    for (path, name, reason) in LONG_FUNCTIONS {
        let mut all = source(path).map(functions).unwrap_or_default().into_iter();
        let is_needed = all.any(|function| function.name == *name && function.lines > FUNCTION_LINES_MAX);
        assert!(
            is_needed && !reason.is_empty(),
            "{path}: {name} needs no exception"
        );
    }
}

#[test]
fn long_ones_are_found() {
    let body = "    let x = 1;\n".repeat(FUNCTION_LINES_MAX);
    let sample =
        format!("trait T {{ fn short(a: [u8; 3]); }}\nfn long<F: Fn(u8) -> u8>(f: fn(u8)) {{\n{body}}}\n");
    let expected = ["src/a.rs:2: long has 72 lines"];
    assert_found(&check(&[Source::new("src/a.rs", &sample)]), &expected);
    let lines = "// x\n".repeat(FILE_LINES_MAX + 1);
    assert_found(&check(&[Source::new("src/a.rs", &lines)]), &["601 lines"]);
    assert_none(&check(&[Source::new("src/a.rs", &lines[5..])]));
}
