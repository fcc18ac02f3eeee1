//! Indexes that a log turns on later, or lacks.

use std::fs;
use std::path::Path;
use std::thread;

use duramen::{Error, Log, NewMessage, Options, check};

use crate::common::{fast_dir, files_of, segment_paths, wait_until};

const MESSAGES: u32 = 4000;

fn options() -> Options {
    Options::new().create_dirs(true).rollover(16 << 10)
}

/// A closed log without key index, of more than 16 segments.
fn without_key_index(dir: &Path) {
    let log = options().open(dir).expect("a log");
    for number in 0..MESSAGES {
        let key = number.to_le_bytes();
        log.publish(&[NewMessage::new(&key, &[7; 100])])
            .expect("published");
    }
    log.close().expect("closed");
}

/// The lengths of the index files but that of the last segment, by segment.
fn index_lens(dir: &Path) -> Vec<Option<u64>> {
    let paths = segment_paths(dir);
    let sealed = &paths[..paths.len() - 1];
    sealed
        .iter()
        .map(|path| {
            fs::metadata(path.with_extension("idx"))
                .ok()
                .map(|file| file.len())
        })
        .collect()
}

fn count(dir: &Path, kind: &str) -> usize {
    files_of(dir)
        .iter()
        .filter(|(name, _)| name.ends_with(kind))
        .count()
}

/// Goal: a writer builds, unasked, what is missing after an index was turned on, and then the key runs; a damaged
/// segment stops neither. Method: the files are waited for, without a lookup; then everything is looked up.
#[test]
fn an_index_that_was_turned_on_is_built_in_the_background() {
    let dir = fast_dir();
    without_key_index(dir.path());
    let damaged = segment_paths(dir.path())[20].clone();
    let mut bytes = fs::read(&damaged).expect("read");
    bytes[5000] ^= 1;
    fs::write(&damaged, bytes).expect("written");
    let before = index_lens(dir.path());
    assert!(
        before.len() > 24 && before.iter().all(Option::is_some),
        "{before:?}"
    );

    let log = options().key_index(true).open(dir.path()).expect("a log");
    let is_built = || {
        let now = index_lens(dir.path());
        let built = now
            .iter()
            .zip(&before)
            .filter(|(now, before)| now > before)
            .count();
        built == before.len() - 1
    };
    wait_until("built", is_built);
    wait_until("made", || count(dir.path(), ".keys") > 0);
    let mut corrupt = 0;
    for number in 0..MESSAGES {
        match log.get_by_key(&number.to_le_bytes()) {
            Ok(message) => assert_eq!(message.offset, u64::from(number)),
            Err(Error::Corrupt { path, .. }) => {
                assert_eq!(path, damaged);
                corrupt += 1;
            }
            Err(error) => panic!("{number}: {error:?}"),
        }
    }
    assert!(corrupt > 0 && corrupt < MESSAGES, "{corrupt}");
    log.close().expect("closed");
}

/// Goal: a log that is opened again and again for a moment gets its indexes in the end. Method: it is closed as soon
/// as there is one more.
#[test]
fn building_goes_on_where_an_earlier_life_ended() {
    let dir = fast_dir();
    without_key_index(dir.path());
    let before = index_lens(dir.path());
    let built = || {
        let now = index_lens(dir.path());
        now.iter()
            .zip(&before)
            .filter(|(now, before)| now > before)
            .count()
    };
    let mut lives = 0;
    while built() < before.len() {
        let log = options().key_index(true).open(dir.path()).expect("a log");
        let so_far = built();
        wait_until("built", || built() > so_far || built() == before.len());
        log.close().expect("closed");
        lives += 1;
        assert!(lives <= before.len(), "built {} of {}", built(), before.len());
    }
    let found = check(dir.path(), &options().key_index(true)).expect("checked");
    assert!(found.is_clean(), "{:?}", found.problems);
}

/// Goal: a backup has the indexes of the log, so that readers of it need not build them; but none that is damaged.
/// Method: one index file is damaged; the others are compared. Another backup onto the first adds what is there then.
#[test]
fn a_backup_has_the_indexes_of_the_log() {
    let dir = fast_dir();
    let (own, copy) = (dir.path().join("log"), dir.path().join("copy"));
    let log = options()
        .key_index(true)
        .time_index(true)
        .open(&own)
        .expect("a log");
    for number in 0..MESSAGES {
        let key = number.to_le_bytes();
        log.publish(&[NewMessage::new(&key, &[7; 100])])
            .expect("published");
    }
    wait_until("sealed", || index_lens(&own).iter().all(Option::is_some));
    let damaged = segment_paths(&own)[3].with_extension("idx");
    let mut bytes = fs::read(&damaged).expect("read");
    let good = bytes.clone();
    bytes[1000] ^= 1;
    fs::write(&damaged, &bytes).expect("written");
    log.backup(&copy).expect("backed up");
    let indexes = |dir: &Path| {
        let mut files = files_of(dir);
        files.retain(|(name, _)| Path::new(name).extension().is_some_and(|kind| kind == "idx"));
        files
    };
    let (ours, theirs) = (indexes(&own), indexes(&copy));
    // Taking the backup may have built the damaged one anew.
    assert!(theirs.len() + 1 >= ours.len());
    assert!(theirs.iter().all(|file| file.1 != bytes && ours.contains(file)));

    fs::write(&damaged, &good).expect("written");
    log.backup(&copy).expect("backed up");
    assert_eq!(indexes(&copy), indexes(&own));
    log.close().expect("closed");
    let found = check(&copy, &options().key_index(true).time_index(true)).expect("checked");
    assert!(found.is_clean(), "{:?}", found.problems);
    let reader = Options::of(&copy)
        .expect("options")
        .read_only(true)
        .open(&copy)
        .expect("a log");
    assert_eq!(reader.get_by_key(&5_u32.to_le_bytes()).expect("there").offset, 5);
}

/// Goal: a log that is not open for long gets all that is missing when it asks. Method: with and without the background
/// thread, the files are there when the call returns. A second call finds nothing to do.
#[test]
fn what_is_missing_is_built_when_asked_for() {
    for background in [false, true] {
        let dir = fast_dir();
        without_key_index(dir.path());
        let before = index_lens(dir.path());
        let options = options().key_index(true).background(background);
        let log = options.open(dir.path()).expect("a log");
        log.build_indexes().expect("built");
        let now = index_lens(dir.path());
        assert!(
            now.iter().zip(&before).all(|(now, before)| now > before),
            "{now:?}"
        );
        let runs = count(dir.path(), ".keys");
        assert!(runs >= before.len() / 16, "{runs} of {}", before.len());
        log.build_indexes().expect("built");
        log.close().expect("closed");
        assert!(matches!(log.build_indexes(), Err(Error::Closed)));

        let reader = options.create_dirs(false).read_only(true);
        let reader = reader.open(dir.path()).expect("a reader");
        assert!(matches!(reader.build_indexes(), Err(Error::ReadOnly)));
    }
}

/// Goal: building holds up neither publishing nor closing. Method: while one thread builds, others publish and close.
#[test]
fn building_ends_when_the_log_is_closed() {
    let dir = fast_dir();
    without_key_index(dir.path());
    let log = options().key_index(true).open(dir.path()).expect("a log");
    thread::scope(|scope| {
        let building = scope.spawn(|| log.build_indexes());
        log.publish(&[NewMessage::new(b"new", b"v")]).expect("published");
        log.close().expect("closed");
        let built = building.join().expect("no panic");
        assert!(matches!(built, Ok(()) | Err(Error::Closed)), "{built:?}");
    });
    let found = check(dir.path(), &options().key_index(true)).expect("checked");
    assert!(found.is_clean(), "{:?}", found.problems);
    assert_eq!(count(dir.path(), ".tmp"), 0);
}
