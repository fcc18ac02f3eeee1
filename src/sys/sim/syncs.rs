use std::backtrace::Backtrace;
use std::collections::BTreeSet;
use std::fmt;

/// The successful syncs of a machine: which of them do nothing, and who asked for each.
#[derive(Clone, Debug, Default)]
pub(super) struct Syncs {
    /// How many there were since they were last watched or ignored.
    count: usize,
    ignored: BTreeSet<usize>,
    places: Option<Vec<(usize, SyncPlace)>>,
}

/// A place in the library that asks for a sync of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncPlace {
    /// The functions of the library that led there, the innermost first, each with its line.
    frames: Vec<(String, String)>,
}

impl Syncs {
    pub(super) fn watch(&mut self) {
        self.count = 0;
        self.places = Some(Vec::new());
    }

    pub(super) fn ignore(&mut self, which: BTreeSet<usize>) {
        self.count = 0;
        self.ignored = which;
    }

    pub(super) fn forget(&mut self) {
        self.ignored.clear();
    }

    pub(super) fn places(&self) -> &[(usize, SyncPlace)] {
        self.places.as_deref().unwrap_or_default()
    }

    /// Counts a sync after `point` operations; true if it is to do nothing.
    pub(super) fn meet(&mut self, point: usize) -> bool {
        let index = self.count;
        self.count += 1;
        if let Some(places) = &mut self.places {
            places.push((point, SyncPlace::here()));
        }
        self.ignored.contains(&index)
    }
}

impl SyncPlace {
    fn here() -> SyncPlace {
        SyncPlace::parse(&Backtrace::force_capture().to_string())
    }

    /// Reads a backtrace as the standard library prints it: the name of a function on one line, and
    /// where in its source on the next.
    fn parse(backtrace: &str) -> SyncPlace {
        let lines: Vec<&str> = backtrace.lines().map(str::trim).collect();
        let frames = lines.windows(2).filter_map(|two| {
            let (_, name) = two[0].split_once(": ")?;
            let at = two[1].strip_prefix("at ")?;
            let at = at
                .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                .or(at.strip_prefix('.'))?;
            let is_ours = at.starts_with("/src/") && !at.starts_with("/src/sys/");
            is_ours.then(|| (short(name), at.to_owned()))
        });
        SyncPlace {
            frames: frames.collect(),
        }
    }

    /// The functions, without lines: `rename < write_copy < write`.
    #[must_use]
    pub fn functions(&self) -> String {
        let names: Vec<&str> = self.frames.iter().map(|(name, _)| name.as_str()).collect();
        names.join(" < ")
    }
}

/// The innermost line, and the functions.
impl fmt::Display for SyncPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.frames.first().map_or("", |(_, line)| line);
        write!(f, "{line}: {}", self.functions())
    }
}

/// The last part of a function's path, without type parameters.
fn short(name: &str) -> String {
    let mut depth = 0;
    let mut path = String::new();
    for character in name.chars() {
        match character {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => path.push(character),
            _ => {}
        }
    }
    let parts = path
        .split("::")
        .filter(|part| !part.is_empty() && !part.starts_with('{'));
    parts.last().unwrap_or("closure").to_owned()
}
