//! Running the binary, and directories to run it on.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// The standard output of a run that went well, and had nothing to say beside.
    pub(crate) fn ok(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        std::str::from_utf8(&self.stdout).expect("text")
    }

    /// The standard error of a run that failed with this exit code.
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.ends_with('\n'), "{self:?}");
        &self.stderr
    }

    /// The standard output as JSON, one value a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

/// The binary with these arguments.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duramen"));
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(args: &[&str]) -> Run {
    run_with(args, b"")
}

/// Runs the binary with this standard input.
pub(crate) fn run_with(args: &[&str], input: &[u8]) -> Run {
    let mut child = command(args).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    thread::scope(|scope| {
        // A binary that reads no further closes the pipe, which is not this thread's business.
        scope.spawn(move || stdin.write_all(input));
        finish(child)
    })
}

/// Waits for the end of a run.
pub(crate) fn finish(child: Child) -> Run {
    let output = child.wait_with_output().expect("the binary ends");
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A place for a log, removed at the end.
pub(crate) struct Place {
    parent: TempDir,
    dir: PathBuf,
}

impl Place {
    /// A directory that does not exist yet, in one that does.
    pub(crate) fn new() -> Place {
        let parent = TempDir::new().expect("a temporary directory");
        let dir = parent.path().join("log");
        Place { parent, dir }
    }

    /// A log with both indexes that holds these lines.
    pub(crate) fn with(lines: &str) -> Place {
        let place = Place::new();
        place
            .publish(&["--key-index", "--time-index"], lines.as_bytes())
            .ok();
        place
    }

    pub(crate) fn dir(&self) -> &str {
        self.dir.to_str().expect("text")
    }

    pub(crate) fn parent(&self) -> &Path {
        self.parent.path()
    }

    pub(crate) fn publish(&self, flags: &[&str], input: &[u8]) -> Run {
        run_with(&[&["publish", self.dir()], flags].concat(), input)
    }

    pub(crate) fn consume(&self, flags: &[&str]) -> Run {
        self.run("consume", flags)
    }

    /// Runs a command on the log.
    pub(crate) fn run(&self, command: &str, flags: &[&str]) -> Run {
        run(&[&[command, self.dir()], flags].concat())
    }

    /// Waits until the log ends at this offset.
    pub(crate) fn wait_for_offset(&self, next_offset: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let found = || self.run("stat", &["--json"]).json();
        while found()
            .first()
            .is_none_or(|stat| stat["next_offset"] != next_offset)
        {
            assert!(Instant::now() < deadline, "nothing is published");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The log's files with this extension, in order of their names.
    pub(crate) fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir)
            .expect("a log")
            .map(|entry| entry.expect("readable").path());
        let mut files: Vec<_> = entries
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        files.sort();
        files
    }

    /// Inverts a bit of the value of a message of [`numbered`]; returns the file and the position.
    pub(crate) fn damage(&self, number: usize) -> (PathBuf, u64) {
        let (key, value) = (format!("k{}", number % 3), format!("a{number}"));
        let needle = [key.as_bytes(), value.as_bytes()].concat();
        // The last place: a message of fewer digits looks the same if the checksum behind it happens to begin so.
        for path in self.files("log").into_iter().rev() {
            let mut bytes = fs::read(&path).expect("readable");
            if let Some(key_at) = bytes.windows(needle.len()).rposition(|window| window == needle) {
                let position = key_at + key.len();
                bytes[position] ^= 1;
                fs::write(&path, bytes).expect("writable");
                return (path, position as u64);
            }
        }
        panic!("{value} is not in the log");
    }
}

/// A publisher that has published these lines, up to the next offset, and waits for more.
pub(crate) fn publishing(place: &Place, lines: &str, next_offset: u64) -> (Child, ChildStdin) {
    let mut child = command(&["publish", place.dir()])
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(lines.as_bytes()).expect("it reads");
    place.wait_for_offset(next_offset);
    (child, stdin)
}

/// The summary of a publish of so many messages, which end at the next offset.
pub(crate) fn published(count: u64, next_offset: u64) -> String {
    let start = next_offset - count;
    format!(
        "{{\"published\":{count},\"next_offset\":{next_offset},\"start_offset\":{start},\"duplicates\":0}}\n"
    )
}

/// Lines with the values `a0`, `a1`, and so on, at the times 0, 1, ..
pub(crate) fn numbered(count: usize) -> String {
    let line = |i| format!("{{\"time_us\":{i},\"key\":\"k{}\",\"value\":\"a{i}\"}}\n", i % 3);
    (0..count).map(line).collect::<Vec<_>>().concat()
}
