//! Who may open a log, and what a log is made of: locks between handles and processes, files that are not what they
//! seem, directories that may not be written to, forks.

mod common;

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, thread};

use common::{child, files_of, role, run_child, segment_paths, write_files};
use duramen::{Durability, Error, ErrorKind, FileLog, Log, NewMessage, Options, Result, Start, check};

const MESSAGES: u64 = 60;

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(1 << 10)
        .background(false)
}

fn reader() -> Options {
    options().create_dirs(false).read_only(true)
}

fn value(offset: u64) -> Vec<u8> {
    format!("value number {offset} of some length").into_bytes()
}

fn publish(log: &FileLog, range: std::ops::Range<u64>) -> Result<()> {
    for offset in range {
        let key = [u8::try_from(offset % 7).expect("small")];
        assert_eq!(log.publish(&[NewMessage::new(&key, &value(offset))])?, offset + 1);
    }
    Ok(())
}

/// Reads everything, in all ways, and checks it.
fn read(log: &FileLog, count: u64) -> Result<()> {
    assert_eq!(log.next_offset()?, count);
    for offset in 0..count {
        assert_eq!(
            log.get(Start::At(offset))?.value.as_deref(),
            Some(&value(offset)[..])
        );
    }
    for key in 0..7 {
        assert_eq!(log.get_by_key(&[key])?.offset % 7, u64::from(key));
    }
    let mut scan = log.scan(Start::Oldest)?;
    while scan.next()?.is_some() {}
    assert_eq!(scan.next_offset(), count);
    log.stat()?;
    Ok(())
}

/// A log of several segments in `dir`, closed, or as a kill leaves it.
fn make(dir: &Path, closed: bool) {
    let home = common::fast_dir();
    let log = options()
        .durability(Durability::EachPublish)
        .open(home.path())
        .expect("a new log");
    publish(&log, 0..MESSAGES).expect("publishes");
    if closed {
        log.close().expect("a close");
    }
    write_files(dir, &files_of(home.path()));
}

fn is_locked(answer: &Result<FileLog>) -> bool {
    matches!(answer, Err(Error::Locked { .. }))
}

/// What the children of these tests do.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    match role.as_str() {
        "hold" | "hold for reading" => {
            let options = if role == "hold" { options() } else { reader() };
            let _log = options.open(&dir).expect("an open");
            println!("\nopen");
            io::stdin().read_line(&mut String::new()).expect("a line");
        }
        "find locked" => {
            assert!(is_locked(&options().open(&dir)), "opened for writing");
            assert!(is_locked(&reader().open(&dir)), "opened for reading");
        }
        "be a stranger" => be_a_stranger(&dir),
        "fork" => fork(&dir),
        other => panic!("{other}"),
    }
}

fn child_in(dir: &Path, role: &str) -> Command {
    let mut command = child("in_a_child", role);
    command.env("DURAMEN_DIR", dir);
    command
}

/// A child that has the log open until it is killed.
fn holder(dir: &Path, role: &str) -> Child {
    let mut child = child_in(dir, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let said = child.stdout.as_mut().expect("a pipe");
    assert!(
        BufReader::new(said)
            .lines()
            .map_while(io::Result::ok)
            .any(|line| line == "open")
    );
    child
}

/// Goal: one writer or many readers, told apart at once, by whatever name the directory is called. Method: two handles
/// of one process.
#[test]
fn a_second_handle_of_a_process_is_turned_away() {
    let home = common::fast_dir();
    let dir = home.path().join("log");
    let log = options().open(&dir).expect("a new log");
    publish(&log, 0..3).expect("publishes");
    symlink(&dir, home.path().join("link")).expect("a link");
    let begun = Instant::now();
    for name in [
        dir.clone(),
        dir.join("."),
        home.path().join("link"),
        home.path().join("log/../log"),
    ] {
        assert!(is_locked(&options().open(&name)), "{name:?} for writing");
        assert!(is_locked(&reader().open(&name)), "{name:?} for reading");
        assert!(
            matches!(check(&name, &options()), Err(Error::Locked { .. })),
            "{name:?} for a check"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "not at once: {:?}",
        begun.elapsed()
    );
    publish(&log, 3..6).expect("the first handle is as good as before");
    log.close().expect("a close");
    let readers = [
        reader().open(&dir).expect("a reader"),
        reader().open(&dir).expect("another"),
    ];
    assert!(is_locked(&options().open(&dir)), "a writer among readers");
    for log in &readers {
        read(log, 6).unwrap_or_else(|_| assert_eq!(log.next_offset().ok(), Some(6)));
    }
    drop(readers);
    publish(&options().open(&dir).expect("when all have gone"), 6..9).expect("publishes");
}

/// Goal: the same between processes, until the other one is gone, however it went. Method: a child that holds the
/// log, and is killed.
#[test]
fn a_second_process_is_turned_away() {
    let home = common::fast_dir();
    make(home.path(), true);
    let mut writer = holder(home.path(), "hold");
    let begun = Instant::now();
    assert!(is_locked(&options().open(home.path())) && is_locked(&reader().open(home.path())));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "not at once: {:?}",
        begun.elapsed()
    );
    writer.kill().and_then(|()| writer.wait()).expect("a child");
    let mut other = holder(home.path(), "hold for reading");
    read(
        &reader().open(home.path()).expect("a reader beside a reader"),
        MESSAGES,
    )
    .expect("reads");
    assert!(
        is_locked(&options().open(home.path())),
        "a writer beside a reader"
    );
    other.kill().and_then(|()| other.wait()).expect("a child");
    read(&options().open(home.path()).expect("when it is gone"), MESSAGES).expect("reads");
}

/// Goal: removing or replacing the lock file lets nobody in. Method: a process holds the log, its lock file is
/// removed, renamed and replaced, and another tries.
#[test]
fn a_replaced_lock_file_does_not_let_a_second_process_in() {
    let home = common::fast_dir();
    let log = options().open(home.path()).expect("a new log");
    let lock = home.path().join("LOCK");
    fs::remove_file(&lock).expect("a lock file");
    run_child(child_in(home.path(), "find locked"));
    fs::write(home.path().join("new"), b"")
        .and_then(|()| fs::rename(home.path().join("new"), &lock))
        .expect("a file");
    run_child(child_in(home.path(), "find locked"));
    assert!(is_locked(&options().open(home.path())));
    publish(&log, 0..MESSAGES).expect("publishes");
}

/// Runs `run` on a thread of its own; fails if it does not end.
fn within_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    wait.recv_timeout(Duration::from_secs(30))
        .unwrap_or_else(|_| panic!("{what}: hangs or panics"))
}

/// Goal: nothing but a regular file of one name is taken for a part of a log, and nothing outside is touched. Method:
/// each file of a log replaced by a link, a FIFO, a directory, a second name, for readers and for writers.
#[test]
fn files_that_are_not_plain_are_refused() {
    for closed in [true, false] {
        for kind in ["link", "dangling link", "fifo", "directory", "second name"] {
            let names = ["meta.0", "meta.1", "LOCK", "segment.tmp"].map(str::to_owned);
            for at in 0..names.len() + 4 {
                let home = common::fast_dir();
                make(home.path(), closed);
                let segments = segment_paths(home.path());
                let path = match at.checked_sub(names.len()) {
                    Some(0) => segments[0].clone(),
                    Some(1) => segments[segments.len() - 1].clone(),
                    Some(2) => segments[0].with_extension("idx"),
                    Some(_) => segments[0].with_extension("log.tmp"),
                    None => home.path().join(&names[at]),
                };
                let what = format!(
                    "{kind} for {}, {closed}",
                    path.file_name().unwrap_or_default().display()
                );
                let outside = common::fast_dir();
                replace(&path, kind, outside.path());
                refuse(&what, home.path(), outside.path());
            }
        }
    }
}

/// Puts something that is not a plain file in the place of `path`; what was there goes outside.
fn replace(path: &Path, kind: &str, outside: &Path) {
    let moved = outside.join("moved");
    if path.exists() {
        fs::copy(path, &moved)
            .and_then(|_| fs::remove_file(path))
            .expect("a file");
    } else {
        fs::write(&moved, b"precious").expect("a file");
    }
    match kind {
        "link" => symlink(&moved, path),
        "dangling link" => symlink(outside.join("nowhere"), path),
        "fifo" => {
            let made =
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0);
            made.map_err(io::Error::from)
        }
        "directory" => fs::create_dir(path),
        // Two names must be in one file system.
        _ => fs::copy(&moved, path.with_extension("second"))
            .and_then(|_| fs::hard_link(path.with_extension("second"), path)),
    }
    .expect("a special file");
}

/// Opens the log and reads it: everything is right or an error, in time, and what lies outside stays as it is.
fn refuse(what: &str, dir: &Path, outside: &Path) {
    let before = files_of(outside);
    for options in [reader(), options()] {
        let dir = dir.to_owned();
        let answer = within_time(what, move || {
            let log = options.open(&dir)?;
            read(&log, log.next_offset()?)?;
            log.next_offset()
        });
        let is_vital = !["LOCK", "segment.tmp", "idx", "log.tmp"]
            .iter()
            .any(|name| what.contains(name));
        match answer {
            Ok(count) => assert!(
                !is_vital && count == MESSAGES,
                "{what}: opens, with {count} messages"
            ),
            Err(Error::Corrupt { .. } | Error::Io { .. } | Error::Locked { .. }) => {}
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(files_of(outside), before, "{what}: something outside was touched");
}

/// Name, inode, times, mode and content of all files.
fn snapshot(dir: &Path) -> Vec<(PathBuf, [i64; 4], Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let times = [
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        let content = if metadata.is_file() {
            fs::read(&path).expect("a file")
        } else {
            Vec::new()
        };
        all.push((path, times, content));
    }
    all.sort();
    let metadata = fs::metadata(dir).expect("metadata");
    all.push((
        dir.to_owned(),
        [
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ],
        Vec::new(),
    ));
    all
}

/// Goal: reading changes nothing. Method: content and times of all files before and after an open for reading, all
/// reads, a check and a close; closed, killed, without indexes, with a damaged one, with leftovers.
#[test]
fn opening_for_reading_changes_nothing() {
    for closed in [true, false] {
        for prepare in ["nothing", "no idx", "bad idx", "leftovers", "torn", "one meta"] {
            let home = common::fast_dir();
            make(home.path(), closed);
            let segments = segment_paths(home.path());
            let index = segments[0].with_extension("idx");
            match prepare {
                "no idx" => fs::remove_file(index),
                "bad idx" => fs::write(index, b"not an index"),
                "leftovers" => fs::write(home.path().join("segment.tmp"), [7; 5000])
                    .and_then(|()| fs::write(segments[1].with_extension("log.tmp"), b"x")),
                "torn" if !closed => tear(&segments[segments.len() - 1]),
                "one meta" => fs::write(home.path().join("meta.1"), b"bad"),
                _ => Ok(()),
            }
            .expect("a file");
            let before = snapshot(home.path());
            let log = reader().open(home.path()).expect("an open");
            read(&log, MESSAGES).expect("reads");
            log.gc(Duration::ZERO).expect("gc");
            read(&log, MESSAGES).expect("reads");
            assert!(matches!(
                log.publish(&[NewMessage::value(b"v")]),
                Err(Error::ReadOnly)
            ));
            assert!(matches!(log.sync(), Err(Error::ReadOnly)));
            log.close().expect("a close");
            let report = check(home.path(), &reader()).expect("a check");
            assert_eq!(
                report.is_clean(),
                !matches!(prepare, "bad idx" | "one meta"),
                "{prepare}: {report:?}"
            );
            assert!(
                before == snapshot(home.path()),
                "{prepare}, closed {closed}: something was changed"
            );
        }
    }
}

/// Puts the beginning of something behind the last batch.
fn tear(path: &Path) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("a byte");
    bytes[last + 40..last + 60].fill(0x5a);
    fs::write(path, bytes)
}

/// Goal: a log can be read by somebody who may not write there, and told from one that may not be read. Method: a
/// child without rights.
#[test]
fn a_stranger_reads_where_he_may_not_write() {
    for (closed, lock_mode) in [(true, 0o444), (false, 0o444), (true, 0o600), (false, 0o600)] {
        let home = tempfile::tempdir().expect("a directory");
        let open_to_all =
            |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
        open_to_all(home.path(), 0o755);
        let program = home.path().join("program");
        fs::copy(env::current_exe().expect("this program"), &program).expect("a copy");
        open_to_all(&program, 0o755);
        let dir = home.path().join("log");
        fs::create_dir(&dir).expect("a directory");
        make(&dir, closed);
        File::create(dir.join("LOCK")).expect("a lock file");
        for entry in fs::read_dir(&dir).expect("a directory") {
            open_to_all(&entry.expect("an entry").path(), 0o444);
        }
        open_to_all(&dir.join("LOCK"), lock_mode);
        open_to_all(&dir, 0o555);
        let before = snapshot(&dir);
        let mut command = Command::new(&program);
        command
            .args(["in_a_child", "--exact", "--nocapture"])
            .current_dir("/");
        command
            .env("DURAMEN_CHILD", "be a stranger")
            .env("DURAMEN_DIR", &dir);
        if rustix::process::getuid().is_root() {
            command.uid(65534).gid(65534);
        }
        run_child(command);
        assert!(before == snapshot(&dir), "something was changed");
        open_to_all(&dir, 0o755);
    }
}

fn be_a_stranger(dir: &Path) {
    let log = reader().open(dir).expect("an open for reading");
    read(&log, MESSAGES).expect("reads");
    drop(log);
    let refused =
        |answer: Result<FileLog>| matches!(answer, Err(error) if error.kind() == ErrorKind::NotWritten);
    assert!(refused(options().open(dir)), "opened for writing");
    assert!(refused(options().open(dir.join("below"))), "created");
    assert!(matches!(
        reader().open(dir.join("below")),
        Err(Error::NoLog { .. })
    ));
}

/// Goal: a fork of a process that has a log open can do it no harm. Method: the child of a fork publishes, syncs and
/// closes; the parent goes on and reads everything back.
#[test]
fn a_fork_does_no_harm() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork"));
    read(&options().open(home.path()).expect("a reopen"), MESSAGES).expect("reads");
}

fn fork(dir: &Path) {
    let log = std::sync::Arc::new(options().open(dir).expect("a new log"));
    publish(&log, 0..MESSAGES / 2).expect("publishes");
    let forked = std::sync::Arc::clone(&log);
    let mut command = Command::new("/bin/true");
    let in_fork = move || {
        let poisoned = |error: Result<u64>| matches!(error, Err(Error::Poisoned));
        let wrong = if !poisoned(forked.publish(&[NewMessage::value(b"from the fork")])) {
            Some(1)
        } else if !poisoned(forked.sync()) {
            Some(2)
        } else if forked.close().is_err() {
            Some(3)
        } else {
            None
        };
        wrong.map_or(Ok(()), |wrong| Err(io::Error::from_raw_os_error(wrong)))
    };
    // SAFETY: what runs in the child of the fork is only the library's, this process has no other threads that could
    // hold a lock of it, and memory can be allocated there.
    #[expect(unsafe_code, reason = "there is no other way into the child of a fork")]
    unsafe {
        command.pre_exec(in_fork);
    }
    let status = command
        .status()
        .expect("1: publishes, 2: syncs, 3: does not close");
    assert!(status.success());
    publish(&log, MESSAGES / 2..MESSAGES).expect("the parent goes on");
    run_child(child_in(dir, "find locked"));
    log.close().expect("a close");
}
