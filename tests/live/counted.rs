//! What a log reports through the crate `metrics`.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Control, Durability, FileLog, Log, NewMessage, Options, PublishOptions, Retention};

use crate::common::{fast_dir, files_of};
use crate::numbers::Numbers;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

impl Numbers {
    /// Opens the log in `dir` with these numbers.
    fn open(&self, options: &Options, dir: impl AsRef<std::path::Path>) -> FileLog {
        self.during(|| options.open(dir).expect("a log"))
    }

    fn wait(&self, what: &str, is_it: impl Fn(&Numbers) -> bool) {
        let begun = Instant::now();
        while !is_it(self) {
            assert!(begun.elapsed() < LONG, "{what}: {:?}", self.others_than(&[]));
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn publish(log: &FileLog, count: usize) {
    let value = [7; 100];
    let batch = vec![NewMessage::new(b"key", &value); count];
    log.publish(&batch).expect("published");
}

/// A log of small segments that does its work in the calling thread.
fn small() -> Options {
    Options::new().rollover(1024).background(false)
}

const PUBLISHED: [&str; 3] = [
    "duramen_published_batches_total",
    "duramen_published_messages_total",
    "duramen_published_bytes_total",
];

#[test]
fn what_is_published_is_counted_once_and_shown_with_the_offsets() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let log = numbers.open(&Options::new(), dir.path());
    assert_eq!(numbers.gauge("duramen_writable"), 1);
    assert_eq!(numbers.times("duramen_open_duration_seconds"), 1);
    publish(&log, 1);
    publish(&log, 3);
    log.publish(&[]).expect("nothing");
    let once = PublishOptions::new().producer(1, 1);
    let again = |_| {
        log.append(&[NewMessage::value(b"once")], &once)
            .expect("appended")
    };
    assert!([0, 1].map(again)[1].is_duplicate);
    let fence = PublishOptions::new().and(Control::Fence("a".parse().expect("a token")));
    log.append(&[NewMessage::value(b"with a fence")], &fence)
        .expect("appended");
    let refused = PublishOptions::new().expect_next_offset(1);
    log.publish_with(&[NewMessage::value(b"no")], &refused)
        .expect_err("refused");

    assert_eq!(
        PUBLISHED[..2]
            .iter()
            .map(|name| numbers.count(name))
            .collect::<Vec<_>>(),
        [4, 6]
    );
    let size = log.stat().expect("open").size;
    let bytes = numbers.count("duramen_published_bytes_total");
    assert!(
        bytes > 400 && bytes < size && size - bytes < 300,
        "{bytes} of {size}"
    );
    let offsets = ["start", "next", "synced"].map(|which| numbers.gauge(&format!("duramen_{which}_offset")));
    assert_eq!(offsets, [0, 7, 0]);
    assert_eq!(numbers.others_than(&PUBLISHED), []);

    log.sync().expect("synced");
    assert_eq!(numbers.gauge("duramen_synced_offset"), 7);
    assert_eq!(numbers.times("duramen_sync_duration_seconds"), 1);
    assert_eq!(numbers.times("duramen_publish_wait_seconds"), 0);
    let waits = PublishOptions::new().sync(true);
    log.publish_with(&[NewMessage::value(b"waits")], &waits)
        .expect("published");
    assert_eq!(numbers.times("duramen_sync_duration_seconds"), 2);
    assert_eq!(numbers.times("duramen_publish_wait_seconds"), 1);
    publish(&log, 1);
    log.close().expect("closed");
    assert_eq!(numbers.gauge("duramen_writable"), 0);
    assert_eq!(numbers.gauge("duramen_synced_offset"), 9);
    assert_eq!(numbers.others_than(&PUBLISHED), []);

    // The next handle goes on with the same numbers.
    let log = numbers.open(&Options::new(), dir.path());
    assert_eq!(numbers.gauge("duramen_next_offset"), 9);
    publish(&log, 1);
    assert_eq!(numbers.count("duramen_published_batches_total"), 7);
    assert_eq!(
        (
            numbers.gauge("duramen_writable"),
            numbers.times("duramen_open_duration_seconds")
        ),
        (1, 2)
    );
}

/// Asserts that the gauges agree with what the log says. What was appended to the last segment need not be shown yet.
fn assert_shown(log: &FileLog, numbers: &Numbers, what: &str) {
    let stats = log.stat().expect("open");
    let shown = numbers.gauge("duramen_size_bytes");
    assert!(
        shown <= stats.size && stats.size - shown <= 1024,
        "{what}: {shown} of {}",
        stats.size
    );
    assert_eq!(numbers.gauge("duramen_segments"), stats.segments, "{what}");
    assert_eq!(
        numbers.gauge("duramen_start_offset"),
        stats.start_offset,
        "{what}"
    );
}

#[test]
fn removals_are_counted_by_cause_and_shown_in_the_size() {
    for background in [false, true] {
        let (dir, numbers) = (fast_dir(), Numbers::default());
        let options = small().background(background).key_index(true);
        let log = numbers.open(&options, dir.path());
        while numbers.count("duramen_rollovers_total") < 5 {
            publish(&log, 1);
        }
        numbers.wait("sealed", |numbers| numbers.count("duramen_seals_total") == 5);
        assert_shown(&log, &numbers, "rollover");
        let trimmed = log.trim(8).expect("trimmed");
        assert_shown(&log, &numbers, "trim");
        let deleted = log.delete(&BTreeSet::from([10, 11, 1000])).expect("deleted");
        assert_shown(&log, &numbers, "delete");
        publish(&log, 1);
        let size = log.stat().expect("open").size;
        log.close().expect("closed");
        assert_eq!(numbers.gauge("duramen_size_bytes"), size);

        let removed = |cause: &str| {
            ["messages", "bytes"]
                .map(|what| numbers.count(&format!("duramen_removed_{what}_total/cause={cause}")))
        };
        assert!(trimmed.size > 0 && deleted.size > 0);
        assert_eq!(removed("trim"), [8, trimmed.size]);
        assert_eq!(removed("delete"), [2, deleted.size]);
        assert_eq!(removed("retention"), [0, 0]);
        let removed = "duramen_removed_messages_total";
        let removed_bytes = "duramen_removed_bytes_total";
        let by = |name: &str, cause: &str| format!("{name}/cause={cause}");
        let counted = [
            by(removed, "trim"),
            by(removed, "delete"),
            by(removed_bytes, "trim"),
            by(removed_bytes, "delete"),
        ];
        let mut counted: Vec<&str> = counted.iter().map(String::as_str).collect();
        counted.extend(PUBLISHED);
        counted.extend(["duramen_rollovers_total", "duramen_seals_total"]);
        assert_eq!(numbers.others_than(&counted), []);
    }
}

#[test]
fn an_index_that_is_built_later_is_in_the_size() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let options = small().background(true);
    let log = options.open(dir.path()).expect("a log");
    for _ in 0..50 {
        publish(&log, 1);
    }
    log.close().expect("closed");
    let log = numbers.open(&options.time_index(true), dir.path());
    log.build_indexes().expect("built");
    let built = numbers.gauge("duramen_size_bytes");
    // The last segment is small, and gets none.
    let stats = log.stat().expect("open");
    assert_eq!(built, stats.size);
    let files = std::fs::read_dir(dir.path()).expect("listed");
    let files = files.map(|file| file.expect("listed"));
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
    let segments: u64 = segments.map(|file| file.metadata().expect("there").len()).sum();
    assert!(segments < built, "{segments} of {built}");
    log.trim(0).expect("nothing");
    assert_eq!(numbers.gauge("duramen_size_bytes"), stats.size);
    let trimmed = log.trim(stats.next_offset).expect("trimmed");
    assert_eq!(trimmed.size, stats.size);
    let left = ["size_bytes", "segments"].map(|name| numbers.gauge(&format!("duramen_{name}")));
    assert_eq!(left, [0, 0]);
}

/// The size of a segment that grows is shown from time to time.
#[test]
fn a_segment_that_grows_is_shown_in_the_size() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let log = numbers.open(&Options::new(), dir.path());
    let value = vec![7; 300_000];
    for _ in 0..20 {
        log.publish(&[NewMessage::value(&value)]).expect("published");
        let (shown, size) = (
            numbers.gauge("duramen_size_bytes"),
            log.stat().expect("open").size,
        );
        assert!(shown <= size && size - shown < 1 << 20, "{shown} of {size}");
    }
}

#[test]
fn what_retention_removes_is_counted_unasked_and_asked() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let options = small().retention(Retention::new().max_messages(3));
    let log = numbers.open(&options, dir.path());
    for _ in 0..30 {
        publish(&log, 1);
    }
    let unasked = numbers.count("duramen_removed_messages_total/cause=retention");
    assert!(unasked > 10);
    log.apply_retention(true).expect("tried");
    assert_eq!(
        numbers.count("duramen_removed_messages_total/cause=retention"),
        unasked
    );
    log.apply_retention(false).expect("applied");
    assert_eq!(
        numbers.count("duramen_removed_messages_total/cause=retention"),
        27
    );
    assert!(numbers.count("duramen_removed_bytes_total/cause=retention") > 2000);
    assert_eq!(numbers.count("duramen_removed_messages_total/cause=trim"), 0);
    assert_eq!(numbers.gauge("duramen_start_offset"), 27);
}

/// Goal: syncs that publishers share are counted once each. Method: several threads publish at once, each publish
/// durable.
#[test]
fn a_wait_is_measured_for_each_publish_and_a_sync_for_all_that_share_it() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let options = Options::new().durability(Durability::EachPublish);
    let log = numbers.open(&options, dir.path());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| publish(&log, 1)));
        }
    });
    assert_eq!(numbers.times("duramen_publish_wait_seconds"), 100);
    let syncs = numbers.times("duramen_sync_duration_seconds");
    assert!((1..=100).contains(&syncs), "{syncs}");
    assert_eq!(
        (
            numbers.gauge("duramen_synced_offset"),
            numbers.gauge("duramen_next_offset")
        ),
        (100, 100)
    );
}

#[test]
fn a_recovery_is_counted_with_what_it_cuts() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let log = Options::new().open(dir.path()).expect("a log");
    publish(&log, 1);
    log.sync().expect("synced");
    publish(&log, 1);
    for (which, lossy) in [(1, 0), (0, 1)] {
        let copy = fast_dir();
        for (name, mut bytes) in files_of(dir.path()) {
            let last = bytes.len().saturating_sub(100);
            let values = (0..last).filter(|at| bytes[*at..].starts_with(&[7; 100]));
            if let Some(damaged) = values.collect::<Vec<_>>().get(which) {
                bytes[damaged + 50] ^= 1;
            }
            std::fs::write(copy.path().join(name), bytes).expect("written");
        }
        let numbers = Numbers::default();
        let recovered = numbers.open(&Options::new().recover(true), copy.path());
        assert_eq!(numbers.count("duramen_recoveries_total"), 1);
        assert_eq!(numbers.count("duramen_lossy_recoveries_total"), lossy);
        assert!(numbers.count("duramen_recovery_cut_bytes_total") > 100);
        assert_eq!(
            numbers.gauge("duramen_next_offset"),
            recovered.next_offset().expect("open")
        );
    }
    // Nobody counts for a log that was opened before there was a recorder.
    metrics::with_local_recorder(&numbers, || publish(&log, 1));
    assert!(numbers.counters.lock().expect("counters").is_empty());
}

#[test]
fn a_read_only_handle_reports_nothing() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let log = Options::new().open(dir.path()).expect("a log");
    publish(&log, 1);
    let reader = numbers.open(&Options::new().read_only(true), dir.path());
    assert_eq!(reader.next_offset().expect("open"), 1);
    reader.close().expect("closed");
    assert!(numbers.described.lock().expect("described").is_empty());
}

/// Goal: the guide names every metric, and none that there is not. Method: its table is compared with what a log
/// describes.
#[test]
fn the_guide_has_every_metric() {
    let (dir, numbers) = (fast_dir(), Numbers::default());
    let log = numbers.open(&Options::new(), dir.path());
    let rows = include_str!("../../docs/guide.md").lines();
    let names = rows.filter_map(|row| row.strip_prefix("| `duramen_")?.split_once('`'));
    let in_guide: BTreeSet<String> = names.map(|(name, _)| format!("duramen_{name}")).collect();
    let described = numbers.described.lock().expect("described");
    assert_eq!(in_guide, described.keys().cloned().collect());
    let all = [
        numbers
            .counters
            .lock()
            .expect("counters")
            .keys()
            .cloned()
            .collect::<Vec<_>>(),
        numbers.gauges.lock().expect("gauges").keys().cloned().collect(),
        numbers
            .histograms
            .lock()
            .expect("histograms")
            .keys()
            .cloned()
            .collect(),
    ];
    for (name, labels) in all.iter().flatten() {
        assert!(described.contains_key(name), "{name}");
        assert_eq!(labels[0], ("log".to_owned(), dir.path().display().to_string()));
    }
    log.close().expect("closed");
}

#[cfg(feature = "fault")]
mod on_a_simulated_disk {
    use duramen::Error;
    use duramen::fault::{Call, Errno, SimDisk};

    use super::*;
    use crate::events::on_a_simulated_disk::failing;

    const DIR: &str = "/data/log";

    #[test]
    fn a_failed_sync_and_the_poisoning_are_counted_once() {
        let (disk, numbers) = (SimDisk::new(5), Numbers::default());
        let options = Options::new().create_dirs(true).storage(&disk);
        let log = numbers.open(&options.clone().durability(Durability::EachPublish), DIR);
        publish(&log, 1);
        disk.inject(failing(Call::Sync, Errno::Eio));
        for _ in 0..3 {
            log.publish(&[NewMessage::value(b"no")]).expect_err("refused");
        }
        assert_eq!(numbers.count("duramen_sync_failures_total"), 1);
        assert_eq!(numbers.count("duramen_poisonings_total"), 1);
        assert_eq!(numbers.gauge("duramen_writable"), 0);
        assert_eq!(numbers.times("duramen_sync_duration_seconds"), 1);
        assert_eq!(numbers.times("duramen_publish_wait_seconds"), 1);
        assert_eq!(numbers.gauge("duramen_synced_offset"), 1);
        disk.heal();
        let log = metrics::with_local_recorder(&numbers, || log.reopen()).expect("a log");
        publish(&log, 1);
        assert_eq!(numbers.gauge("duramen_writable"), 1);
        assert_eq!(numbers.count("duramen_poisonings_total"), 1);
        assert_eq!(numbers.count("duramen_recoveries_total"), 1);
    }

    #[test]
    fn work_that_fails_is_counted_by_its_job() {
        let (disk, numbers) = (SimDisk::new(8), Numbers::default());
        let options = small().create_dirs(true).storage(&disk);
        let options = options.retention(Retention::new().max_messages(2));
        let log = numbers.open(&options, DIR);
        publish(&log, 1);
        disk.inject(failing(Call::Remove, Errno::Eacces));
        let failures = "duramen_job_failures_total/job=retention";
        while numbers.count(failures) == 0 {
            publish(&log, 1);
        }
        let of_others = ["sync", "seal", "space", "index", "producers", "close"];
        let of_others = of_others.map(|job| numbers.count(&format!("duramen_job_failures_total/job={job}")));
        assert_eq!(of_others, [0; 6]);
        disk.heal();
        log.close().expect("closed");
        assert_eq!(numbers.count("duramen_poisonings_total"), 0);
    }

    #[test]
    fn a_paced_sync_that_fails_in_the_background_is_counted() {
        let (disk, numbers) = (SimDisk::new(5), Numbers::default());
        let options = Options::new().create_dirs(true).storage(&disk);
        let options = options.durability(Durability::Interval(Duration::from_millis(1)));
        let log = numbers.open(&options, DIR);
        publish(&log, 1);
        log.sync().expect("synced");
        disk.inject(failing(Call::Sync, Errno::Eio));
        publish(&log, 1);
        numbers.wait("a failed sync", |numbers| {
            numbers.count("duramen_job_failures_total/job=sync") > 0
                && numbers.count("duramen_poisonings_total") == 1
        });
        let refused = log.publish(&[NewMessage::value(b"no")]);
        assert!(matches!(
            refused,
            Err(Error::Poisoned { .. } | Error::SyncFailed { .. })
        ));
    }
}
