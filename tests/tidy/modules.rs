//! The modules of a crate without its tests: what each imports, and which file defines what.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Source;
use super::paths::{self, Path};

/// Words in front of the name that an item defines.
const ITEMS: [&str; 8] = [
    "fn", "struct", "enum", "trait", "type", "const", "static", "union",
];

/// A chain of imports is at most this long; a longer one leads back to itself.
const IMPORTS_MAX: usize = 16;

/// A module, in a file of its own or inline.
pub(crate) struct Module {
    /// The path of its file.
    pub(crate) file: String,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in the code, those of the imports left out.
    paths: Vec<Path>,
    /// Words in the code, those of the imports left out.
    words: BTreeMap<String, usize>,
}

struct Import {
    path: Path,
    is_public: bool,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// Something that the module itself defines.
    ItemOf(usize),
}

/// One use of something that another file defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// The modules of one crate; the first is its root.
pub(crate) struct Modules(Vec<Module>);

impl Modules {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(sources: &[Source], root: &str) -> Modules {
        let mut modules = Modules(Vec::new());
        if let Some(source) = sources.iter().find(|source| source.path == root) {
            modules.add(sources, source, folder(root), 0..source.code.tokens.len(), 0);
        }
        modules
    }

    /// Adds the module with these tokens, and those within it.
    fn add(
        &mut self,
        sources: &[Source],
        source: &Source,
        folder: &str,
        tokens: Range<usize>,
        parent: usize,
    ) -> usize {
        let own = self.0.len();
        self.0.push(Module::new(&source.path, parent));
        let code = &source.code;
        let mut at = tokens.start;
        while at < tokens.end {
            let (word, name) = (code.text(at), code.text(at + 1));
            match (word, code.text(at + 2)) {
                ("#", _) => {
                    at = after_attribute(source, at);
                    continue;
                }
                ("mod", "{") => {
                    let end = code.closing(at + 2);
                    let inner = format!("{folder}/{name}");
                    let child = self.add(sources, source, &inner, at + 3..end, own);
                    self.0[own].children.insert(name.to_owned(), child);
                    at = end;
                }
                ("mod", ";") => {
                    let files = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
                    let file = sources.iter().find(|source| files.contains(&source.path));
                    if let Some(file) = file.filter(|file| !file.is_test()) {
                        let inner = format!("{folder}/{name}");
                        let child = self.add(sources, file, &inner, 0..file.code.tokens.len(), own);
                        self.0[own].children.insert(name.to_owned(), child);
                    }
                }
                // `use<'a>` lists the lifetimes in a type.
                ("use", _) if name != "<" => at = self.0[own].add_import(source, at),
                _ => self.0[own].add_code(source, at),
            }
            at += 1;
        }
        own
    }

    /// Every use of an item of another file.
    pub(crate) fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (own, module) in self.0.iter().enumerate() {
            let in_code = module.paths.iter().map(|path| (path, path.line));
            let imports = module.imports.iter().filter_map(|Import { path, is_public }| {
                // What is only passed on is used by those who import it from here.
                let line = if *is_public {
                    *module.words.get(&path.name)?
                } else {
                    path.line
                };
                Some((path, line))
            });
            for (path, line) in in_code.chain(imports) {
                let target = match self.resolve(own, &path.segments, 0) {
                    Some(Target::ItemOf(target)) => target,
                    Some(Target::Module(target)) if path.name == "*" => target,
                    _ => continue,
                };
                let to = &self.0[target].file;
                if *to != module.file {
                    uses.insert(Use {
                        from: module.file.clone(),
                        to: to.clone(),
                        line,
                        path: path.segments.join("::"),
                    });
                }
            }
        }
        uses
    }

    /// What a path in the module `from` leads to; `None` if it leads out of the crate or to a local name.
    fn resolve(&self, from: usize, path: &[String], imports: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.0[from].parent),
            name => self.look_up(from, name, imports)?,
        };
        for segment in rest {
            let Target::Module(module) = target else { break };
            target = match segment.as_str() {
                "self" | "*" => target,
                "super" => Target::Module(self.0[module].parent),
                name => self
                    .look_up(module, name, imports)
                    .unwrap_or(Target::ItemOf(module)),
            };
        }
        Some(target)
    }

    /// What a name means in a module; `None` if the module does not have it.
    fn look_up(&self, module: usize, name: &str, imports: usize) -> Option<Target> {
        let found = &self.0[module];
        if let Some(child) = found.children.get(name) {
            return Some(Target::Module(*child));
        }
        if found.items.contains(name) {
            return Some(Target::ItemOf(module));
        }
        if imports == IMPORTS_MAX {
            return None;
        }
        let resolve = |import: &Import| self.resolve(module, &import.path.segments, imports + 1);
        let mut named = found.imports.iter().filter(|import| import.path.name == name);
        let globs = found.imports.iter().filter(|import| import.path.name == "*");
        named.find_map(resolve).or_else(|| {
            globs.filter_map(resolve).find_map(|target| match target {
                Target::Module(glob) if glob != module => self.look_up(glob, name, imports + 1),
                _ => None,
            })
        })
    }
}

impl Module {
    fn new(file: &str, parent: usize) -> Module {
        Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: Vec::new(),
            paths: Vec::new(),
            words: BTreeMap::new(),
        }
    }

    /// Takes in the import at `at`, and returns where it ends.
    fn add_import(&mut self, source: &Source, at: usize) -> usize {
        let code = &source.code;
        let is_public = at > 0 && ["pub", ")"].contains(&code.text(at - 1));
        let paths = paths::read(code, at + 1, &[]);
        self.imports
            .extend(paths.into_iter().map(|path| Import { path, is_public }));
        (at..code.tokens.len())
            .find(|end| code.text(*end) == ";")
            .unwrap_or(code.tokens.len())
    }

    /// Takes in the token at `at`.
    fn add_code(&mut self, source: &Source, at: usize) {
        let code = &source.code;
        let text = code.text(at);
        if paths::begins(code, at) {
            self.paths.extend(paths::read(code, at, &[]));
        }
        if ITEMS.contains(&text) {
            self.items.insert(code.text(at + 1).to_owned());
        } else if code.has(at, &["macro_rules", "!"]) {
            self.items.insert(code.text(at + 2).to_owned());
        }
        self.words.entry(text.to_owned()).or_insert(code.line(at));
    }
}

/// The folder in which a root has its modules.
fn folder(root: &str) -> &str {
    root.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Where the code goes on after the attribute at `at`: after the next item too if that is only for tests.
fn after_attribute(source: &Source, at: usize) -> usize {
    let code = &source.code;
    let open = at + 1 + usize::from(code.text(at + 1) == "!");
    if code.text(open) != "[" {
        return at + 1;
    }
    let end = code.closing(open) + 1;
    let conditions: [&[&str]; 2] = [&["cfg", "(", "test", ")"], &["cfg", "(", "all", "(", "test"]];
    if !conditions.iter().any(|tokens| code.has(open + 1, tokens)) {
        return end;
    }
    let mut at = end;
    let is_import = |at| code.text(at) == "use";
    let mut imports = false;
    while at < code.tokens.len() {
        imports |= is_import(at);
        match code.text(at) {
            ";" | "," | ")" | "]" | "}" => break,
            "{" if !imports => return code.closing(at) + 1,
            "(" | "[" | "{" => at = code.closing(at) + 1,
            _ => at += 1,
        }
    }
    // The end of what surrounds the item is not part of it.
    at + usize::from([";", ","].contains(&code.text(at)))
}

#[test]
fn names_are_found_where_they_are_defined() {
    let sources = [
        Source::new(
            "src/lib.rs",
            "mod a; mod b; mod c; pub use a::{Deep, item}; pub mod out { pub use crate::b::*; }",
        ),
        Source::new(
            "src/a/mod.rs",
            "mod deep; #[cfg(test)] mod tests; pub use deep::Deep; pub fn item() {} #[cfg(test)] use crate::c::f;",
        ),
        Source::new(
            "src/a/deep.rs",
            "pub struct Deep; fn f() -> super::Never { crate::out::g() }",
        ),
        Source::new("src/a/tests.rs", "use crate::c::h;"),
        Source::new(
            "src/b.rs",
            "use std::fmt; use c as other; use crate::c; pub fn g(x: crate::Deep) { c::h::<fmt::X>() }
            #[cfg(test)] mod tests { use crate::item; }",
        ),
        Source::new("src/c.rs", "pub(crate) use super::Deep; fn h() -> Deep { Deep }"),
    ];
    let uses = Modules::read(&sources, "src/lib.rs").uses();
    let found: Vec<_> = uses
        .iter()
        .map(|Use { from, to, path, .. }| format!("{from} {to} {path}"))
        .collect();
    let expected = [
        "src/a/deep.rs src/a/mod.rs super::Never",
        "src/a/deep.rs src/b.rs crate::out::g",
        "src/b.rs src/a/deep.rs crate::Deep",
        "src/b.rs src/c.rs c::h",
        "src/c.rs src/a/deep.rs super::Deep",
    ];
    assert_eq!(found, expected);
}
