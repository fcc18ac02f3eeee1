//! A handle belongs to the directory that was opened. Its path may come to lead to another directory, with a log of its
//! own: no call changes a byte of that log, and none loses a message of the log that was opened.
//!
//! Each way in which a path can change is combined with each call. They run in a child, because the working directory
//! and the mounts belong to a process as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use duramen::{Error, FileLog, Log, LogExt, NewMessage, Options, Result, Retention, Start, compact};

use crate::common::{child, child_with_mounts, read_all, role, run_child};

/// Messages of the log whose path changes, and of the one that its path then leads to.
const OURS: u64 = 60;
const THEIRS: u64 = 100;

/// The ways in which a path comes to lead elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The directory is renamed, and another takes its name.
    Renamed,
    /// Two directories change names.
    Swapped,
    /// A symbolic link on the path is pointed elsewhere.
    Relinked,
    /// The path is relative, and the working directory changes.
    Chdir,
    /// As above, to a directory in which there is no such name.
    ChdirNowhere,
    /// Another directory is mounted over it.
    Mounted,
    /// The directory is removed, and made anew with another log.
    Removed,
}

const WAYS: [Way; 6] = [
    Way::Renamed,
    Way::Swapped,
    Way::Relinked,
    Way::Chdir,
    Way::ChdirNowhere,
    Way::Removed,
];

type Call = fn(&FileLog, &Path) -> Result<()>;

/// The calls, and whether they write.
const CALLS: [(&str, Call, bool); 12] = [
    ("close", |_, _| Ok(()), true),
    ("sync", |log, _| log.sync().map(drop), true),
    ("publish", |log, _| publish(log, 200, "ours"), true),
    ("trim", |log, _| log.trim(OURS / 2).map(drop), true),
    ("trim everything", |log, _| log.trim(OURS).map(drop), true),
    (
        "delete",
        |log, _| log.delete(&BTreeSet::from([1, 5, 30, 59])).map(drop),
        true,
    ),
    (
        "compact",
        |log, _| compact::compact(log, &compact::Settings::default()).map(drop),
        true,
    ),
    ("retention", |log, _| log.apply_retention(false).map(drop), true),
    (
        "backup",
        |log, out| log.backup(&out.join("backup")).map(drop),
        false,
    ),
    ("read", read, false),
    ("stat", |log, _| log.stat().map(drop), false),
    ("gc", |log, _| log.gc(Duration::ZERO), false),
];

fn publish(log: &FileLog, count: u64, tag: &str) -> Result<()> {
    for n in 0..count {
        let (key, value) = (format!("key-{}", n % 20), format!("{tag}-{n}"));
        log.publish(&[NewMessage::new(key.as_bytes(), value.as_bytes())])?;
    }
    Ok(())
}

fn read(log: &FileLog, _: &Path) -> Result<()> {
    log.gc(Duration::ZERO)?;
    for message in read_all(log)? {
        assert!(message.value.is_none_or(|value| value.starts_with(b"ours")));
    }
    log.get_by_key(b"key-3")?;
    log.get(Start::Oldest)?;
    Ok(())
}

fn options() -> Options {
    Options::new().create_dirs(true).key_index(true).rollover(1 << 10)
}

/// Every file below `dir` with its bytes.
fn bytes_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let bytes = fs::read(&path).expect("a file");
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Two logs, ours at `home/d`, theirs at `home/other/d`, which is closed.
struct Scene {
    home: tempfile::TempDir,
    log: FileLog,
}

impl Scene {
    fn new(way: Way, call: &str) -> Scene {
        let home = tempfile::tempdir().expect("a folder");
        let at = |path: &str| home.path().join(path);
        for dir in ["here", "other", "empty", "out"] {
            fs::create_dir(at(dir)).expect("created");
        }
        let theirs = options().open(at("other/d")).expect("opened");
        publish(&theirs, THEIRS, "theirs").expect("published");
        theirs.close().expect("closed");
        symlink(at("here"), at("link")).expect("linked");
        env::set_current_dir(at("here")).expect("there");
        let path = match way {
            Way::Chdir | Way::ChdirNowhere => PathBuf::from("d"),
            Way::Relinked => at("link/d"),
            _ => at("here/d"),
        };
        let keeps = if call == "retention" || call == "publish" {
            Retention::new().max_messages(OURS / 2)
        } else {
            Retention::new()
        };
        let log = options().retention(keeps).open(&path).expect("opened");
        publish(&log, OURS, "ours").expect("published");
        log.sync().expect("synced");
        Scene { home, log }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Lets the path lead elsewhere. Returns where our directory is now, if it still is, and where theirs is.
    fn change(&self, way: Way) -> (Option<PathBuf>, PathBuf) {
        let rename = |from: &str, to: &str| fs::rename(self.at(from), self.at(to)).expect("renamed");
        match way {
            Way::Renamed => {
                rename("here/d", "here/d.old");
                rename("other/d", "here/d");
                (Some(self.at("here/d.old")), self.at("here/d"))
            }
            Way::Swapped => {
                rename("here/d", "empty/d");
                rename("other/d", "here/d");
                rename("empty/d", "other/d");
                (Some(self.at("other/d")), self.at("here/d"))
            }
            Way::Relinked => {
                fs::remove_file(self.at("link")).expect("removed");
                symlink(self.at("other"), self.at("link")).expect("linked");
                (Some(self.at("here/d")), self.at("other/d"))
            }
            Way::Chdir => {
                env::set_current_dir(self.at("other")).expect("there");
                (Some(self.at("here/d")), self.at("other/d"))
            }
            Way::ChdirNowhere => {
                env::set_current_dir(self.at("empty")).expect("there");
                (Some(self.at("here/d")), self.at("other/d"))
            }
            Way::Mounted => {
                let mut mount = Command::new("mount");
                mount.arg("--bind").arg(self.at("other/d")).arg(self.at("here/d"));
                assert!(mount.status().expect("mount").success());
                (Some(self.at("here/d")), self.at("other/d"))
            }
            Way::Removed => {
                // The log's own thread may create a file meanwhile.
                while fs::remove_dir_all(self.at("here/d")).is_err() {}
                rename("other/d", "here/d");
                (None, self.at("here/d"))
            }
        }
    }
}

/// Lets the path of an open log change in this way, does each call, closes the log, and looks at both directories.
fn combine(way: Way) {
    for (name, call, writes) in CALLS {
        let scene = Scene::new(way, name);
        let (ours, theirs) = scene.change(way);
        let before = bytes_below(&theirs);
        let done = call(&scene.log, &scene.at("out"));
        let next = scene.log.next_offset().expect("open");
        let closed = scene.log.close();
        let what = format!("{way:?}, {name}: {done:?}, {closed:?}");
        assert_eq!(bytes_below(&theirs), before, "{what}: another log was changed");
        if let Some(ours) = ours {
            done.and(closed).unwrap_or_else(|error| panic!("{what}: {error}"));
            if way == Way::Mounted {
                let unmounted = Command::new("umount").arg(&ours).status();
                assert!(unmounted.expect("umount").success());
            }
            look(&ours, next, &what);
        } else if writes {
            let error = done.and(closed).expect_err(&what);
            let is_clear =
                matches!(&error, Error::Io { source, .. } if source.to_string().contains("removed"));
            assert!(is_clear, "{what}");
        }
    }
}

/// Checks that a log that was closed holds what was published to it.
fn look(dir: &Path, next: u64, what: &str) {
    let report = duramen::check(dir, &options()).expect(what);
    assert!(report.is_clean(), "{what}: {:?}", report.problems);
    let log = options().open(dir).expect(what);
    assert_eq!(log.next_offset().expect("open"), next, "{what}");
    for message in log.iter(Start::Oldest) {
        let value = message.expect(what).value.expect("a value");
        assert!(value.starts_with(b"ours"), "{what}");
    }
}

#[test]
fn a_log_stays_in_the_directory_that_was_opened() {
    run_child(child(module_path!(), "paths"));
}

#[test]
fn a_log_stays_in_its_directory_when_another_is_mounted_over_it() {
    if let Some(child) = child_with_mounts(module_path!(), "mounts") {
        run_child(child);
    }
}

#[test]
fn in_a_child() {
    match role().as_deref() {
        Some("paths") => WAYS.into_iter().for_each(combine),
        Some("mounts") => combine(Way::Mounted),
        _ => {}
    }
}
