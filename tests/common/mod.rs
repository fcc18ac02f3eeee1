//! What the batteries on real files share: seeds, messages, directories, children.

use std::env;
use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use duramen::{Log, Message, NewMessage, Result, Start, Timestamp};
use fastrand::Rng;

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

/// Waits until something is so, and returns how long that took; fails after a minute.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "not {what}");
        thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
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
    pub(crate) fn any(random: &mut Rng, keys: u64, value_len_max: u64) -> Item {
        let time = i64::try_from(random.u64(..1 << 40)).expect("a small number");
        let key = (random.u8(..8) != 0).then(|| match random.u64(..keys) {
            0 => Vec::new(),
            n => format!("key-{n}").into_bytes(),
        });
        let value = (random.u8(..8) != 0).then(|| {
            let len = random.u64(..=value_len_max);
            (0..len).map(|_| random.u8(..)).collect()
        });
        let headers = if random.u8(..4) == 0 {
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

/// All messages of a log.
pub(crate) fn read_all(log: &dyn Log) -> Result<Vec<Message>> {
    let (mut messages, mut from) = (Vec::new(), Start::Oldest);
    loop {
        let batch = log.consume(from, 64)?;
        if batch.messages.is_empty() {
            return Ok(messages);
        }
        from = Start::At(batch.next_offset);
        messages.extend(batch.messages);
    }
}

/// A temporary directory in memory, where there is such a place and `TMPDIR` names no other.
pub(crate) fn fast_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() && env::var_os("TMPDIR").is_none() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary directory")
}

/// The files of a directory, by name; no subdirectories. A running log may rename one meanwhile, the segment that it
/// has prepared: then all are read again.
pub(crate) fn files_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    loop {
        match try_files_of(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && dir.exists() => {}
            files => return files.expect("the files of a directory"),
        }
    }
}

fn try_files_of(dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().into_string().expect("a plain name");
            files.push((name, fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
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

/// This test program once more, to run the test `in_a_child` of a module alone, which does what a child has to do when
/// `DURAMEN_CHILD` is set. `module` is the module's `module_path!()`.
pub(crate) fn child(module: &str, role: &str) -> Command {
    let program = env::current_exe().expect("this program");
    child_of(&program, module, "in_a_child", role)
}

/// The same of a program that may be a copy, for any test. What it prints is its caller's to ask for: on the standard
/// output of this program, the summary of a child's one test would count as this program's.
pub(crate) fn child_of(program: &Path, module: &str, test: &str, role: &str) -> Command {
    // The name of a test is its path without the program.
    let (_, module) = module.split_once("::").expect("a module of a test program");
    let mut command = Command::new(program);
    command
        .arg(format!("{module}::{test}"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .stdout(Stdio::null())
        .env("DURAMEN_CHILD", role);
    command
}

/// As [`child`], with mounts of its own; `None` where the system does not allow that, which is said.
pub(crate) fn child_with_mounts(module: &str, role: &str) -> Option<Command> {
    let probe = Command::new("unshare").args(["--mount", "true"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("NOT RUN: {role}: mounting needs `unshare --mount`: {probe:?}");
        return None;
    }
    let plain = child(module, role);
    let mut command = Command::new("unshare");
    command
        .arg("--mount")
        .arg(plain.get_program())
        .args(plain.get_args())
        .env("DURAMEN_CHILD", role);
    Some(command)
}

/// What a child says in which one test was run, and passed.
pub(crate) const RAN_ONE: &str = "test result: ok. 1 passed;";

/// What this process is to do, if it is such a child.
pub(crate) fn role() -> Option<String> {
    env::var("DURAMEN_CHILD").ok()
}

/// Runs a child to its end; fails with what it said if it did not succeed, or not within two minutes.
pub(crate) fn run_child(command: Command) {
    run_child_within(Duration::from_secs(120), command);
}

/// The same within `limit`.
pub(crate) fn run_child_within(limit: Duration, mut command: Command) {
    let said = tempfile::tempfile().expect("a file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(said.try_clone().expect("a file"))
        .stderr(said.try_clone().expect("a file"))
        .spawn()
        .expect("a child");
    let deadline = Instant::now() + limit;
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
    // A name that no test has would be a success, too.
    assert!(text.contains(RAN_ONE), "{command:?}: no test was run\n{text}");
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        println!("{line}");
    }
}
