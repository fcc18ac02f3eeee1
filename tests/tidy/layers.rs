//! A module uses only the layers below it.

use std::collections::BTreeMap;

use super::paths::{self, Path};
use super::{Source, assert_found, assert_none, sources};

/// From the lowest to the highest. Modules of one layer may not use each other, but for the lowest, which are words
/// that belong together.
const LAYERS: &[&[&str]] = &[
    &["error", "types"],
    &["sys"],
    &["scheduler"],
    &["log"],
    &["control"],
    &["format"],
    &["index"],
    &["directory"],
    &["segment"],
    &["chain"],
    &["engine", "memory"],
    &[
        "blocking",
        "compact",
        "letter",
        "log_ext",
        "maintenance",
        "producer",
        "testing",
        "trim",
    ],
    &["typed"],
    &["cursor"],
    &["consumer"],
    &["queue"],
    &["store"],
    &["fuzzing"],
];

/// Uses that the layers would not allow, and why they are right.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "log",
        "fault",
        "the options hold the simulated disk, which the crate's root lends from `sys` to tests",
    ),
    ("engine", "fault", "its tests run on the simulated disk"),
];

/// The only names that a module may use of another one below it.
const NARROW: &[(&str, &str, &[&str])] = &[("index", "sys", &["Map"])];

/// These see what users see, and nothing of the modules themselves.
const PUBLIC_ONLY: &[&str] = &[
    "blocking", "compact", "letter", "log_ext", "testing", "trim", "typed",
];

/// Every path from the crate's root in the code, those that reach it by `super` too.
fn uses(source: &Source) -> Vec<Path> {
    let code = &source.code;
    let mut found = Vec::new();
    // The inline modules around the current token, each with the bracket that ends it.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < code.tokens.len() {
        inline.retain(|(_, end)| at <= *end);
        if code.text(at) == "mod" && code.text(at + 2) == "{" {
            inline.push((code.text(at + 1).to_owned(), code.closing(at + 2)));
        }
        let is_path = paths::begins(code, at);
        match code.text(at) {
            "crate" if is_path => found.extend(paths::read(code, at + 3, &[])),
            "super" if is_path => {
                let mut depth = module_path(&source.path).len() + inline.len();
                while code.has(at, &["super", ":", ":"]) {
                    depth = depth.saturating_sub(1);
                    at += 3;
                }
                if depth == 0 {
                    found.extend(paths::read(code, at, &[]));
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The modules that a file is in, from the root down.
fn module_path(path: &str) -> Vec<&str> {
    let inner = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    inner
        .split('/')
        .filter(|name| !["mod", "lib"].contains(name))
        .collect()
}

/// Which module each name comes from that the crate's root passes on.
fn exports(root: &Source) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for at in root.code.find(&["pub", "use"]) {
        for Path { segments, .. } in paths::read(&root.code, at + 2, &[]) {
            if let [module, .., name] = &segments[..] {
                exports.insert(name.clone(), module.clone());
            }
        }
    }
    exports
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn check(sources: &[Source]) -> Vec<String> {
    let library = |source: &&Source| source.is_in("src/") && !source.is_in("src/bin/");
    let exports = sources
        .iter()
        .find(|source| source.path == "src/lib.rs")
        .map(exports)
        .unwrap_or_default();
    let mut problems = Vec::new();
    for source in sources
        .iter()
        .filter(library)
        .filter(|source| source.path != "src/lib.rs")
    {
        let module = module_path(&source.path)[0];
        for used in uses(source) {
            let narrow = || judge_narrow(module, &used).filter(|_| !source.is_test());
            if let Some(problem) = judge(module, &used, &exports).or_else(narrow) {
                problems.push(format!("{}:{}: {problem}", source.path, used.line));
            }
        }
    }
    problems
}

/// What is wrong with a use, if anything is.
fn judge(module: &str, used: &Path, exports: &BTreeMap<String, String>) -> Option<String> {
    let first = used.segments.first()?;
    let export = exports.get(first);
    let target = export.unwrap_or(first);
    let known = LAYERS.concat().contains(&target.as_str());
    if target == module
        || EXCEPTIONS
            .iter()
            .any(|(from, to, _)| (*from, *to) == (module, target))
    {
        return None;
    }
    let text = used.segments.join("::");
    let (Some(own), true) = (layer(module), known) else {
        return Some(format!(
            "{module} uses {text}: the test tidy does not know one of their layers"
        ));
    };
    let other = layer(target)?;
    if other > own || (other == own && own > 0) {
        return Some(format!(
            "{module} (layer {own}) uses {text} of {target} (layer {other})"
        ));
    }
    if PUBLIC_ONLY.contains(&module) && export.is_none() {
        return Some(format!(
            "{module} uses {text}, which users of the crate do not see"
        ));
    }
    None
}

/// What is wrong with a use of something that a module may use only a part of. Its tests may use more.
fn judge_narrow(module: &str, used: &Path) -> Option<String> {
    let target = used.segments.first()?;
    let narrow = NARROW
        .iter()
        .find(|(from, to, _)| (*from, *to) == (module, target.as_str()));
    let (_, _, allowed) = narrow?;
    let name = used.segments.last()?;
    (!allowed.contains(&name.as_str()))
        .then(|| format!("{module} may use {allowed:?} of {target}, but not {name}"))
}

#[test]
fn modules_use_only_lower_layers() {
    assert_none(&check(&sources()));
}

/// The list of layers is complete, and names nothing that is gone.
#[test]
fn every_module_has_a_layer() {
    for source in sources() {
        let parts: Vec<&str> = source.path.split('/').collect();
        if parts[0] == "src" && !["lib.rs", "bin"].contains(&parts[1]) {
            let module = parts[1].trim_end_matches(".rs");
            assert!(layer(module).is_some(), "{} is in no layer", source.path);
        }
    }
}

#[test]
fn uses_of_higher_layers_are_found() {
    let lib = Source::new(
        "src/lib.rs",
        "pub use error::{Error, Result}; pub use engine::{FileLog, Log};",
    );
    let sample = "
        use crate::{Error, engine::{self, shared::Shared}, chain::Map};
        use crate::error::Error;
        /// crate::log::Log is fine in a comment
        fn f(_: &dyn crate::Log) {}
        mod tests { use super::super::segment::Part; }
        fn g() { super::index::g() }
        use super::super::Salt;
    ";
    let problems = check(&[lib, Source::new("src/format/frame.rs", sample)]);
    let expected = [
        ":2: format (layer 5) uses engine",
        ":2: format (layer 5) uses engine::shared::Shared",
        ":2: format (layer 5) uses chain::Map",
        ":5: format (layer 5) uses Log of engine",
        ":8: format uses Salt",
    ];
    assert_found(&problems, &expected);
}

#[test]
fn narrow_and_public_uses_are_held_to() {
    let lib = Source::new("src/lib.rs", "pub use log::{FileLog, Log};");
    let index = Source::new("src/index/sealed.rs", "use crate::sys::{File, Map};");
    let typed = Source::new(
        "src/typed/mod.rs",
        "use crate::{Log, log::shared::Shared}; use crate::trim;",
    );
    let blocking = Source::new("src/blocking/mod.rs", "use crate::trim;");
    let unknown = Source::new("src/index/build.rs", "use crate::nobody::knows;");
    let expected = [
        "index may use [\"Map\"] of sys, but not File",
        "typed uses log::shared::Shared, which users",
        "typed uses trim, which users",
        "blocking (layer 11) uses trim of trim (layer 11)",
        "index uses nobody::knows",
    ];
    assert_found(&check(&[lib, index, typed, blocking, unknown]), &expected);
}
