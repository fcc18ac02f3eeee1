//! Functions, files and structs are small enough to be understood at once.

use super::{Source, assert_found, assert_none, sources};

const FUNCTION_LINES_MAX: usize = 70;
/// Of a file in `src`; tests and benchmarks may have more.
const FILE_LINES_MAX: usize = 450;
const OTHER_FILE_LINES_MAX: usize = 600;
const STRUCT_FIELDS_MAX: usize = 12;

/// Functions that may be longer, by file and name, and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[(
    "src/log/contract.rs",
    "one trait with its contract, which cannot be cut in two",
)];

/// Structs in `src` that may have more fields, by file and name, and why.
const WIDE_STRUCTS: &[(&str, &str, &str)] = &[
    (
        "src/format/meta.rs",
        "Meta",
        "each field is one of the file, and none belongs closer to another",
    ),
    (
        "src/types/stats.rs",
        "Stats",
        "each field is one that users look for, by its name",
    ),
];

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

struct Struct {
    name: String,
    line: usize,
    fields: usize,
}

/// The structs of `src` whose fields have names.
fn structs(source: &Source) -> Vec<Struct> {
    if !source.is_in("src/") {
        return Vec::new();
    }
    let code = &source.code;
    let mut found = Vec::new();
    for begin in code.find(&["struct"]) {
        let open = (begin..code.tokens.len()).find(|at| ["{", "(", ";"].contains(&code.text(*at)));
        if let Some(open) = open.filter(|open| code.text(*open) == "{") {
            found.push(Struct {
                name: code.text(begin + 1).to_owned(),
                line: code.line(begin),
                fields: fields(source, open),
            });
        }
    }
    found
}

/// The number of named fields between the braces that open at `open`.
fn fields(source: &Source, open: usize) -> usize {
    let code = &source.code;
    let end = code.closing(open);
    let mut fields = 0;
    let mut is_type = false;
    let mut angles = 0_usize;
    let mut at = open + 1;
    while at < end {
        match code.text(at) {
            "(" | "[" | "{" => at = code.closing(at),
            ":" if !is_type => {
                fields += 1;
                is_type = true;
            }
            "," if angles == 0 => is_type = false,
            "<" => angles += 1,
            // The arrow of a function's type closes nothing.
            ">" if code.text(at - 1) != "-" => angles = angles.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    fields
}

/// The most lines that a file may have.
fn lines_max(path: &str) -> usize {
    if path.starts_with("src/") {
        FILE_LINES_MAX
    } else {
        OTHER_FILE_LINES_MAX
    }
}

fn is_listed(list: &[(&str, &str, &str)], path: &str, name: &str) -> bool {
    list.iter()
        .any(|(file, listed, _)| (*file, *listed) == (path, name))
}

fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let path = &source.path;
        let lines = source.text.lines().count();
        let max = lines_max(path);
        if lines > max && !LONG_FILES.iter().any(|(long, _)| long == path) {
            problems.push(format!("{path}: {lines} lines, more than {max}"));
        }
        for Function { name, line, lines } in functions(source) {
            if lines > FUNCTION_LINES_MAX && !is_listed(LONG_FUNCTIONS, path, &name) {
                problems.push(format!(
                    "{path}:{line}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}"
                ));
            }
        }
    }
    problems
}

fn check_structs(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let path = &source.path;
        for Struct { name, line, fields } in structs(source) {
            if fields > STRUCT_FIELDS_MAX && !is_listed(WIDE_STRUCTS, path, &name) {
                problems.push(format!(
                    "{path}:{line}: {name} has {fields} fields, more than {STRUCT_FIELDS_MAX}"
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
fn structs_are_narrow() {
    assert_none(&check_structs(&sources()));
}

#[test]
fn exceptions_are_needed() {
    let sources = sources();
    let source = |path: &str| sources.iter().find(|source| source.path == path);
    for (path, reason) in LONG_FILES {
        let lines = source(path).map_or(0, |source| source.text.lines().count());
        assert!(
            lines > lines_max(path) && !reason.is_empty(),
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
    for (path, name, reason) in WIDE_STRUCTS {
        let mut all = source(path).map(structs).unwrap_or_default().into_iter();
        let is_needed = all.any(|found| found.name == *name && found.fields > STRUCT_FIELDS_MAX);
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
    assert_found(&check(&[Source::new("src/a.rs", &lines)]), &["451 lines"]);
    assert_none(&check(&[Source::new("src/a.rs", &lines[5..])]));
    let lines = "// x\n".repeat(OTHER_FILE_LINES_MAX + 1);
    assert_found(&check(&[Source::new("tests/a.rs", &lines)]), &["601 lines"]);
    assert_none(&check(&[Source::new("tests/a.rs", &lines[5..])]));
}

#[test]
fn wide_structs_are_found() {
    let field = "    #[serde(rename = \"a: b\")] pub(crate) a: Map<u8, fn(x: u8) -> Vec<(u8, u8)>>,\n";
    let with = |fields: usize| {
        format!(
            "struct Wide<T: Copy> {{\n{}}}\nstruct Unit;",
            field.repeat(fields)
        )
    };
    let wide = Source::new("src/a.rs", &with(STRUCT_FIELDS_MAX + 1));
    assert_found(&check_structs(&[wide]), &["src/a.rs:1: Wide has 13 fields"]);
    assert_none(&check_structs(&[Source::new(
        "src/a.rs",
        &with(STRUCT_FIELDS_MAX),
    )]));
    assert_none(&check_structs(&[Source::new(
        "tests/a.rs",
        &with(STRUCT_FIELDS_MAX + 1),
    )]));
}
