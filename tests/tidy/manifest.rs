//! What people read first agrees with what there is: Cargo.toml, README.md, CONTRIBUTING.md.

use super::{Source, assert_found, assert_none, read, sources};

/// The lines of a section of Cargo.toml.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let lines = manifest.lines().skip_while(|line| line.trim() != name).skip(1);
    lines.take_while(|line| !line.starts_with('[')).collect()
}

/// Features without a comment in front of them.
fn features_without_comment(manifest: &str) -> Vec<String> {
    let lines = section(manifest, "[features]");
    let is_feature =
        |line: &str| line.contains('=') && !line.starts_with(['#', ' ']) && !line.starts_with("default");
    lines
        .windows(2)
        .filter(|pair| is_feature(pair[1]) && !pair[0].starts_with('#') && !pair[1].contains('#'))
        .map(|pair| {
            format!(
                "Cargo.toml: no comment says what this feature is for: {}",
                pair[1]
            )
        })
        .collect()
}

/// Test files that would not be built, or only under a condition that nobody sees.
fn tests_left_out(manifest: &str) -> Vec<String> {
    let is_left_out = |line: &&str| ["autotests = false", "test = false"].contains(&line.trim());
    manifest
        .lines()
        .filter(is_left_out)
        .map(|line| format!("Cargo.toml: tests are left out: {line}"))
        .collect()
}

/// Files under `tests` that no test program takes in as a module.
fn modules_left_out(sources: &[Source]) -> Vec<String> {
    let is_taken_in = |path: &str| {
        let module = path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let Some((folder, name)) = module.rsplit_once('/') else {
            return false;
        };
        let parents = [format!("{folder}/main.rs"), format!("{folder}/mod.rs")];
        let is_declared = |source: &Source| source.code.find(&["mod", name, ";"]).next().is_some();
        let shared = path.replacen("tests/", "#[path = \"../", 1);
        sources.iter().any(|source| {
            parents.contains(&source.path) && is_declared(source)
                || source.is_in("tests/") && source.text.contains(&shared)
        })
    };
    sources
        .iter()
        .filter(|source| source.is_in("tests/") && !source.path.ends_with("/main.rs"))
        .filter(|source| !is_taken_in(&source.path))
        .map(|source| format!("{}: no test program takes it in", source.path))
        .collect()
}

/// The commands of the tool: the modules that define arguments.
fn commands(sources: &[Source]) -> Vec<String> {
    let of_the_tool = sources.iter().filter(|source| source.is_in("src/bin/duramen/"));
    of_the_tool
        .filter(|source| source.code.find(&["struct", "Args"]).next().is_some())
        .filter_map(|source| {
            let name = source
                .path
                .trim_start_matches("src/bin/duramen/")
                .trim_end_matches(".rs");
            name.split('/').next().map(str::to_owned)
        })
        .collect()
}

fn examples(sources: &[Source]) -> Vec<String> {
    let of_examples = sources
        .iter()
        .filter_map(|source| source.path.strip_prefix("examples/"));
    of_examples
        .map(|path| path.trim_end_matches(".rs").to_owned())
        .collect()
}

/// Commands and examples that the README does not mention.
fn unmentioned(sources: &[Source], readme: &str) -> Vec<String> {
    let commands = commands(sources)
        .into_iter()
        .map(|name| format!("duramen {name}"));
    let examples = examples(sources);
    let is_word = |name: &str| {
        readme
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == name)
    };
    commands
        .filter(|command| !readme.contains(command.as_str()))
        .chain(examples.into_iter().filter(|example| !is_word(example)))
        .map(|name| format!("README.md does not mention `{name}`"))
        .collect()
}

/// Programs of the cookbook that take too long to read.
fn long_programs(sources: &[Source], root: &str) -> Vec<String> {
    const LINES_MAX: usize = 60;
    let mark = "include_str!(\"../";
    let programs = root.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    programs
        .filter(|path| path.starts_with("examples/"))
        .filter_map(|path| sources.iter().find(|source| source.path == path))
        .map(|source| (&source.path, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines are too many for the cookbook"))
        .collect()
}

/// Variables that change what tests do, and that CONTRIBUTING.md does not mention.
fn variables_unmentioned(sources: &[Source], contributing: &str) -> Vec<String> {
    let prefix = concat!("DURAMEN", "_");
    let mut names: Vec<&str> = Vec::new();
    for source in sources {
        for (at, _) in source.text.match_indices(prefix) {
            let rest = &source.text[at..];
            let end = rest
                .find(|c: char| !c.is_ascii_uppercase() && c != '_')
                .unwrap_or(rest.len());
            names.push(&rest[..end]);
        }
    }
    names.sort_unstable();
    names.dedup();
    names
        .iter()
        .filter(|name| **name != prefix && !contributing.contains(&format!("`{name}`")))
        .map(|name| format!("CONTRIBUTING.md does not mention {name}"))
        .collect()
}

#[test]
fn features_are_commented_and_tests_are_built() {
    let manifest = read("Cargo.toml");
    assert_none(&features_without_comment(&manifest));
    assert_none(&tests_left_out(&manifest));
    assert_none(&modules_left_out(&sources()));
}

/// The condition under which Cargo.toml has the crates for files, and how often `src/sys` goes by it.
fn systems_with_files(manifest: &str, sys: &str) -> Option<(String, usize)> {
    let begin = "[target.'cfg(any(target_os = \"linux\", ";
    let line = manifest.lines().find(|line| line.starts_with(begin))?;
    let condition = line
        .strip_prefix("[target.'cfg(")?
        .strip_suffix(")'.dependencies]")?;
    // rustfmt breaks long conditions into lines.
    let plain = |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")");
    let count = plain(sys).matches(&plain(condition)).count();
    Some((condition.to_owned(), count))
}

#[test]
fn dependencies_and_modules_are_for_the_same_systems() {
    let found = systems_with_files(&read("Cargo.toml"), &read("src/sys/mod.rs"));
    let (condition, count) = found.expect("Cargo.toml says where logs are kept in files");
    assert_eq!(count, 4, "src/sys/mod.rs should go by {condition}");
    let other = "[target.'cfg(any(target_os = \"linux\", unix))'.dependencies]";
    let (_, count) = systems_with_files(other, &read("src/sys/mod.rs")).expect("a condition");
    assert_eq!(count, 0);
}

#[test]
fn what_there_is_is_mentioned() {
    let sources = sources();
    assert_none(&unmentioned(&sources, &read("README.md")));
    assert_none(&variables_unmentioned(&sources, &read("CONTRIBUTING.md")));
    assert_none(&long_programs(&sources, &read("src/lib.rs")));
    assert!(
        commands(&sources).contains(&"publish".to_owned()),
        "commands are found"
    );
    assert!(
        examples(&sources).contains(&"quickstart".to_owned()),
        "examples are found"
    );
}

#[test]
fn what_is_not_mentioned_is_found() {
    let bad = "[features]\ndefault = []\n# Good.\na = []\nb = []\nc = [] # good\n[lib]\ntest = false\n";
    assert_found(&features_without_comment(bad), &["b = []"]);
    assert_found(&tests_left_out(bad), &["test = false"]);
    let tests = [
        Source::new(
            "tests/all/main.rs",
            "#[path = \"../common/mod.rs\"]\nmod common;\nmod some; // mod other;",
        ),
        Source::new("tests/all/some/mod.rs", "mod inner;"),
        Source::new("tests/all/some/inner.rs", ""),
        Source::new("tests/all/other.rs", ""),
        Source::new("tests/common/mod.rs", ""),
        Source::new("tests/common/inner.rs", ""),
    ];
    let expected = ["tests/all/other.rs", "tests/common/inner.rs"];
    assert_found(&modules_left_out(&tests), &expected);
    let sources = [
        Source::new("src/bin/duramen/publish.rs", "pub struct Args;"),
        Source::new("src/bin/duramen/bench/mod.rs", "pub struct Args;"),
        Source::new("src/bin/duramen/output.rs", "struct Other;"),
        Source::new("examples/tail.rs", ""),
        Source::new("examples/quick.rs", concat!("DURAMEN", "_QUICK_ONE")),
    ];
    let expected = ["`duramen bench`", "`quick`"];
    assert_found(
        &unmentioned(&sources, "`duramen publish` and a tail, quickly"),
        &expected,
    );
    assert_found(&variables_unmentioned(&sources, "`OTHER`"), &["_QUICK_ONE"]);
    let sources =
        ["long", "other"].map(|name| Source::new(&format!("examples/{name}.rs"), &"//\n".repeat(61)));
    let root = "#[doc = include_str!(\"../examples/long.rs\")]";
    assert_found(&long_programs(&sources, root), &["examples/long.rs: 61"]);
}
