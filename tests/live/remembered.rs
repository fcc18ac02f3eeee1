//! Index settings that an opening does not name.

use std::fs;
use std::path::Path;

use duramen::{
    Error, IndexKind, Log, MemoryLog, NewMessage, Options, RecoverOptions, Timestamp, check, recover, stat,
};

use crate::common::{fast_dir, files_of, write_files};

/// Opens and closes the log, and returns whether it had a key index and a time index.
fn indexes(options: &Options, dir: &Path) -> (bool, bool) {
    let log = options.open(dir).expect("a log");
    let stats = log.stat().expect("open");
    let found = log.get_by_key(b"k");
    assert_eq!(found.is_ok(), stats.key_index, "{found:?}");
    let lacks = |index| {
        Error::NoIndex {
            index,
            path: Some(dir.to_owned()),
        }
        .to_string()
    };
    if let Err(error) = found {
        assert_eq!(error.to_string(), lacks(IndexKind::Key));
    }
    let found = log.get_by_time(Timestamp::from_micros(1));
    assert_eq!(found.is_ok(), stats.time_index, "{found:?}");
    if let Err(error) = found {
        assert_eq!(error.to_string(), lacks(IndexKind::Time));
    }
    log.close().expect("closed");
    (stats.key_index, stats.time_index)
}

/// A closed log that was created with `options` and has one message.
fn log_with(options: &Options, dir: &Path) {
    let log = options.open(dir).expect("a log");
    let message = NewMessage::new(b"k", b"v").time(Timestamp::from_micros(1));
    log.publish(&[message]).expect("published");
    log.close().expect("closed");
}

/// Goal: an opening that does not name an index leaves it as it is, whoever opens. Method: every combination, opened
/// for writing, for reading only, and after each other.
#[test]
fn indexes_that_are_not_named_are_as_the_directory_has_them() {
    for has in [(false, false), (false, true), (true, false), (true, true)] {
        let dir = fast_dir();
        log_with(&Options::new().key_index(has.0).time_index(has.1), dir.path());
        let reading = Options::new().read_only(true);
        for options in [Options::new(), reading.clone(), Options::new().check(true)] {
            assert_eq!(indexes(&options, dir.path()), has);
        }
        assert_eq!(
            indexes(&Options::new().key_index(!has.0), dir.path()),
            (!has.0, has.1)
        );
        assert_eq!(indexes(&reading, dir.path()), (!has.0, has.1));
        assert_eq!(
            indexes(&Options::new().time_index(!has.1), dir.path()),
            (!has.0, !has.1)
        );
        assert_eq!(indexes(&Options::new(), dir.path()), (!has.0, !has.1));
    }
}

#[test]
fn a_new_log_has_the_indexes_that_are_named_and_no_others() {
    let dir = fast_dir();
    log_with(&Options::new(), dir.path());
    assert_eq!(indexes(&Options::new(), dir.path()), (false, false));
    let log = MemoryLog::with_options(&Options::new().time_index(true));
    let stats = log.stat().expect("a log");
    assert!(!stats.key_index && stats.time_index, "{stats:?}");
}

/// Goal: who reads a log does not decide which indexes it has. Method: a reader names both; the files stay the same.
#[test]
fn a_reader_changes_no_setting() {
    let dir = fast_dir();
    log_with(&Options::new(), dir.path());
    let before = files_of(dir.path());
    let both = Options::new().key_index(true).time_index(true);
    assert_eq!(indexes(&both.read_only(true), dir.path()), (true, true));
    assert!(files_of(dir.path()) == before);
    assert_eq!(indexes(&Options::new(), dir.path()), (false, false));
}

/// Goal: a setting is remembered as soon as the log is open, and needs no close. Method: the files are copied while
/// the log is open; whoever opens the copy finds what a kill would have left.
#[test]
fn a_setting_is_remembered_by_a_process_that_is_killed() {
    for publishes in [false, true] {
        let [dir, copy] = [fast_dir(), fast_dir()];
        log_with(&Options::new(), dir.path());
        let log = Options::new().key_index(true).open(dir.path()).expect("a log");
        if publishes {
            log.publish(&[NewMessage::value(b"v")]).expect("published");
        }
        write_files(copy.path(), &files_of(dir.path()));
        assert_eq!(indexes(&Options::new(), copy.path()), (true, false));
        log.close().expect("closed");
    }
}

#[test]
fn maintenance_leaves_the_indexes_as_they_are() {
    let home = fast_dir();
    let [dir, copy, restored] = ["log", "copy", "restored"].map(|name| home.path().join(name));
    log_with(
        &Options::new().create_dirs(true).key_index(true).time_index(true),
        &dir,
    );
    let options = Options::new();
    let stats = stat(&dir, &options).expect("a log");
    assert!(stats.key_index && stats.time_index, "{stats:?}");
    assert!(check(&dir, &options).expect("checked").is_clean());
    assert!(!recover(&dir, &options).expect("recovered").changed);
    duramen::backup(&dir, &copy).expect("backed up");
    duramen::restore(&copy, &restored, duramen::Start::Newest).expect("restored");
    for dir in [&dir, &copy, &restored] {
        assert_eq!(indexes(&options, dir), (true, true), "{}", dir.display());
    }
}

/// Goal: a log whose metadata is lost keeps its indexes. Method: recovered without naming them, then with one named.
#[test]
fn recover_finds_the_settings_of_lost_metadata_in_the_index_files() {
    for (options, expected) in [
        (Options::new(), (true, true)),
        (Options::new().time_index(false), (true, false)),
    ] {
        let dir = fast_dir();
        let log = Options::new().key_index(true).time_index(true).open(dir.path());
        let log = log.expect("a log");
        // More than the last segment may have without an index file.
        let messages = vec![NewMessage::new(b"k", &[7; 100]).time(Timestamp::from_micros(1)); 1000];
        log.publish(&messages).expect("published");
        log.close().expect("closed");
        for (name, _) in files_of(dir.path()) {
            if name.starts_with("meta") {
                fs::remove_file(dir.path().join(name)).expect("removed");
            }
        }
        assert!(matches!(
            Options::new().open(dir.path()),
            Err(Error::Corrupt { .. })
        ));
        let how = RecoverOptions::new();
        let report = duramen::recover_with(dir.path(), &options, &how).expect("recovered");
        assert!(report.metadata_rebuilt && report.messages == 1000, "{report:?}");
        assert_eq!(indexes(&Options::new(), dir.path()), expected);
    }
}
