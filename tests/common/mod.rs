//! What the batteries on real files share: seeds, messages, directories, children.
#![expect(dead_code, reason = "every test binary uses its own part of this")]

use std::env;
use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use duramen::{Message, NewMessage, Timestamp};

/// The number in an environment variable, or a default: how batteries are made larger.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// The seed of a run: that in `DURAMEN_SEED`, to do a run again, or a new one. It is printed.
pub(crate) fn seed(battery: &str) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .subsec_nanos();
    let seed = number("DURAMEN_SEED", u64::from(now));
    println!("{battery}: DURAMEN_SEED={seed}");
    seed
}

/// Numbers that depend on a seed alone (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A message that a test has published, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) time: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Item {
    /// Any kind of message: with and without key, value and headers, empty and absent, with one of `keys` keys. Times
    /// go up and, now and then, back.
    pub(crate) fn any(random: &mut Random, keys: u64, value_len_max: u64) -> Item {
        let time = i64::try_from(random.below(1 << 40)).expect("a small number");
        let key = (!random.one_in(8)).then(|| match random.below(keys) {
            0 => Vec::new(),
            n => format!("key-{n}").into_bytes(),
        });
        let value = (!random.one_in(8)).then(|| {
            let len = random.below(value_len_max + 1);
            (0..len).map(|_| random.next().to_le_bytes()[0]).collect()
        });
        let headers = if random.one_in(4) {
            vec![(b"name".to_vec(), b"header".to_vec()), (Vec::new(), Vec::new())]
        } else {
            Vec::new()
        };
        Item {
            time,
            key,
            value,
            headers,
        }
    }

    /// Whether a log returned this message at `offset`.
    pub(crate) fn is(&self, offset: u64, message: &Message) -> bool {
        message.offset == offset
            && message.time.as_micros() == self.time
            && message.key.as_deref() == self.key.as_deref()
            && message.value.as_deref() == self.value.as_deref()
            && message
                .headers
                .iter()
                .eq(self.headers.iter().map(|(n, v)| (&n[..], &v[..])))
    }
}

/// Calls `publish` with the messages that `items` are.
pub(crate) fn with_messages<T>(items: &[Item], publish: impl FnOnce(&[NewMessage<'_>]) -> T) -> T {
    let headers: Vec<Vec<(&[u8], &[u8])>> = items
        .iter()
        .map(|item| item.headers.iter().map(|(n, v)| (&n[..], &v[..])).collect())
        .collect();
    let messages: Vec<NewMessage<'_>> = items
        .iter()
        .zip(&headers)
        .map(|(item, headers)| NewMessage {
            time: Some(Timestamp::from_micros(item.time)),
            key: item.key.as_deref(),
            value: item.value.as_deref(),
            headers,
        })
        .collect();
    publish(&messages)
}

/// A temporary directory in memory, where there is such a place.
pub(crate) fn fast_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary directory")
}

/// The files of a directory, by name; no subdirectories.
pub(crate) fn files_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().expect("a type").is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a plain name");
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// Writes `files` into a new directory.
pub(crate) fn write_files(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("a file");
    }
}

/// The segment files in `dir`, ascending.
pub(crate) fn segment_paths(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    paths.sort();
    paths
}

/// This test binary once more, to run the test `name` alone, which does what a child has to do when `DURAMEN_CHILD`
/// is set.
pub(crate) fn child(name: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("DURAMEN_CHILD", role);
    command
}

/// What this process is to do, if it is such a child.
pub(crate) fn role() -> Option<String> {
    env::var("DURAMEN_CHILD").ok()
}

/// Runs a child to its end; fails with what it said if it did not succeed, or not within a minute.
pub(crate) fn run_child(mut command: Command) {
    let said = tempfile::tempfile().expect("a file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(said.try_clone().expect("a file"))
        .stderr(said.try_clone().expect("a file"))
        .spawn()
        .expect("a child");
    let deadline = Instant::now() + Duration::from_secs(120);
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    if status.is_none() {
        child.kill().expect("a child");
        child.wait().expect("a child");
    }
    let mut text = Vec::new();
    (&said)
        .rewind()
        .and_then(|()| (&said).read_to_end(&mut text))
        .expect("a file");
    let text = String::from_utf8_lossy(&text);
    let verdict = status.map_or_else(|| "does not end".to_owned(), |status| status.to_string());
    assert!(
        status.is_some_and(|status| status.success()),
        "{command:?}: {verdict}\n{text}"
    );
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        println!("{line}");
    }
}
