//! Reading changes nothing, and needs no right to.

use std::env;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duramen::{Error, ErrorKind, FileLog, Log, NewMessage, Result, check};

use super::{CHILD, MESSAGES, make, options, read, reader};
use crate::common::{self, child_of, run_child, segment_paths};

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
        let mut command = child_of(&program, CHILD, "in_a_child", "be a stranger");
        command.current_dir("/").env("DURAMEN_DIR", &dir);
        if rustix::process::getuid().is_root() {
            command.uid(65534).gid(65534);
        }
        run_child(command);
        assert!(before == snapshot(&dir), "something was changed");
        open_to_all(&dir, 0o755);
    }
}

pub(super) fn be_a_stranger(dir: &Path) {
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
