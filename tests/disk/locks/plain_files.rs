//! Files that are not what they seem.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use duramen::{Error, Log};

use super::{MESSAGES, make, options, read, reader};
use crate::common::{self, files_of, segment_paths};

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

/// Goal: who finds such a file learns what it is and what to do. Method: the text for each kind, and for a hard link
/// what the text says, done.
#[test]
fn files_that_are_not_plain_are_named_with_the_way_out() {
    for (kind, said) in [
        (
            "link",
            "cannot open: a symbolic link, which a log does not follow",
        ),
        ("directory", "cannot open: not a regular file"),
        ("second name", "cannot open: a hard link"),
    ] {
        let [home, outside] = [common::fast_dir(), common::fast_dir()];
        make(home.path(), true);
        let path = segment_paths(home.path())[0].clone();
        replace(&path, kind, outside.path());
        let read_it = || {
            let log = reader().open(home.path())?;
            read(&log, log.next_offset()?)
        };
        let error = read_it().expect_err(kind);
        let text = error.to_string();
        let start = format!("{}: {said}", path.display());
        assert!(text.starts_with(&start) && !text.contains('\n'), "{text}");
        if kind == "second name" {
            assert!(text.contains("cp FILE COPY && mv COPY FILE"), "{text}");
            let copy = home.path().join("copy");
            fs::copy(&path, &copy).expect("a copy");
            fs::rename(&copy, &path).expect("in its place");
            read_it().expect("a log");
        }
    }
}
