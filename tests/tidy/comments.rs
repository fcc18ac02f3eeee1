//! Comments in the library and the tool are narrow enough to be read as text.

use super::{Source, assert_found, assert_none, sources};

const COLUMNS_MAX: usize = 100;

/// Comment lines that are too wide. A row of a table cannot be broken.
fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src/")) {
        for (line, number) in source.text.lines().zip(1..) {
            let is_too_wide = line.chars().count() > COLUMNS_MAX;
            let comment = line.trim_start().strip_prefix("//");
            let text = comment.map(|comment| comment.trim_start_matches(['/', '!']).trim_start());
            if is_too_wide && text.is_some_and(|text| !text.starts_with('|')) {
                problems.push(format!(
                    "{}:{number}: a comment over {COLUMNS_MAX} columns",
                    source.path
                ));
            }
        }
    }
    problems
}

#[test]
fn comments_are_narrow() {
    assert_none(&check(&sources()));
}

#[test]
fn wide_comments_are_found() {
    let wide = |begin: &str| {
        let rest = COLUMNS_MAX + 1 - begin.chars().count();
        format!("{begin}{}\n", "x".repeat(rest))
    };
    let bad = ["// ", "    /// ", "//! "].map(wide).concat();
    let good = [
        wide("    let x = \"// "),
        wide("/// | "),
        wide("// ")[1..].to_owned(),
    ]
    .concat();
    let problems = check(&[Source::new("src/a.rs", &bad), Source::new("src/b.rs", &good)]);
    let expected = [1, 2, 3].map(|line| format!("src/a.rs:{line}: a comment over 100"));
    assert_found(&problems, &expected.each_ref().map(String::as_str));
    assert_none(&check(&[Source::new("tests/a.rs", &bad)]));
}
