//! Paths in the code, as `a::b::C`, and the trees of paths after `use`.

use super::code::Code;

/// A path without a group in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// The name that it has where it is imported.
    pub(crate) name: String,
}

/// Whether a path of two segments or more begins at `at`.
pub(crate) fn begins(code: &Code, at: usize) -> bool {
    let continues = at >= 2 && code.has(at - 2, &[":", ":"]);
    let is_word = code.text(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    is_word && !continues && code.has(at + 1, &[":", ":"])
}

/// The path at `at`, or every path of the group there, each a continuation of `before`.
pub(crate) fn read(code: &Code, at: usize, before: &[String]) -> Vec<Path> {
    let mut found = Vec::new();
    read_into(code, at, before, &mut found);
    found
}

fn read_into(code: &Code, at: usize, before: &[String], found: &mut Vec<Path>) {
    if code.text(at) == "{" {
        let end = code.closing(at);
        let mut begin = at + 1;
        while begin < end {
            read_into(code, begin, before, found);
            while begin < end && code.text(begin) != "," {
                begin = match code.text(begin) {
                    "{" => code.closing(begin) + 1,
                    _ => begin + 1,
                };
            }
            begin += 1;
        }
        return;
    }
    let mut segments = before.to_vec();
    segments.push(code.text(at).to_owned());
    if code.has(at + 1, &[":", ":"]) && code.text(at + 3) != "<" {
        read_into(code, at + 3, &segments, found);
        return;
    }
    let own_name = segments.iter().rev().find(|segment| *segment != "self");
    let name = match code.text(at + 1) {
        "as" => code.text(at + 2).to_owned(),
        _ => own_name.cloned().unwrap_or_default(),
    };
    found.push(Path {
        line: code.line(at),
        segments,
        name,
    });
}

#[test]
fn paths_are_read() {
    let code = Code::new("use a::{b, c::{self, d as e}, f::*}; let x: g::H = i::j::<K>::l();");
    let texts = |at| -> Vec<String> {
        let paths = read(&code, at, &[]).into_iter();
        paths
            .map(|path| format!("{} as {}", path.segments.join("::"), path.name))
            .collect()
    };
    let expected = ["a::b as b", "a::c::self as c", "a::c::d as e", "a::f::* as *"];
    assert_eq!(texts(1), expected);
    let begun: Vec<_> = (0..code.tokens.len())
        .filter(|at| begins(&code, *at))
        .flat_map(texts)
        .collect();
    let expected = ["g::H as H", "i::j as j"];
    assert_eq!(begun[begun.len() - 2..], expected);
}
