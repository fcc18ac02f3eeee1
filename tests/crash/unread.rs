//! Retention that waits for readers, wherever a crash comes: nothing has gone that a reader comes back to.

use std::time::Duration;

use duramen::fault::{CrashPlan, SimDisk};
use duramen::queue::QueueOptions;
use duramen::store::{Partitioner, RetentionConfig, Store, StoreOptions, StreamConfig};
use duramen::{Durability, Error, Expect, Log, NewMessage, PublishOptions};

use super::half_done::{DIR, options};
use super::settings::Settings;

fn opened(disk: &SimDisk) -> Store {
    let log = options(disk).durability(Durability::Os);
    let how = StoreOptions::new().create_dirs(true).log(log);
    how.open(DIR).expect("opened")
}

/// One round after the other: messages are published, `read` deals with some, and retention removes what it may.
fn worked(disk: &SimDisk, mut read: impl FnMut(&Store, u64)) {
    let store = opened(disk);
    let retention = RetentionConfig::new().max_messages(1).keep_unread(u64::MAX);
    let config = StreamConfig::new().retention(retention);
    store.create("s", &config).expect("created");
    let stream = store.stream("s").expect("there");
    for round in 1..=4 {
        for _ in 0..3 {
            let message = NewMessage::value(&[7; 100]);
            let published = stream.publish(message, &Partitioner::To(0), &PublishOptions::new());
            published.expect("published");
        }
        read(&store, round);
        let partition = stream.partition(0).expect("there");
        partition.apply_retention(false).expect("applied");
        assert_eq!(partition.start_offset().expect("open"), round * 2);
    }
}

/// After each crash the partition begins where `place` says, or in front of it.
fn nothing_went_that_is_needed(disk: &SimDisk, place: impl Fn(&Store) -> u64) {
    let plan = CrashPlan {
        samples: 2,
        ..Settings::get().plan()
    };
    let (mut states, mut went) = (0, 0);
    for point in 0..=disk.point() {
        for image in disk.crash_images(point, &plan).take(24) {
            let store = opened(&image);
            states += 1;
            let Ok(stream) = store.stream("s") else {
                continue;
            };
            let start = stream.partition(0).expect("there").start_offset().expect("open");
            let place = place(&store);
            assert!(
                start <= place,
                "at {point}: it begins at {start}, and {place} is next"
            );
            went += u64::from(start > 0);
        }
    }
    println!("{states} states, {went} without the first messages");
    assert!(
        states > 500 && went > 100,
        "{states} states, {went} without the first messages"
    );
}

#[test]
fn nothing_has_gone_that_a_stored_cursor_comes_back_to() {
    let disk = SimDisk::new(Settings::get().seed);
    worked(&disk, |store, round| {
        let cursors = store.cursors();
        cursors
            .set("reader", "s", 0, round * 2, Expect::Any)
            .expect("stored");
    });
    nothing_went_that_is_needed(&disk, |store| {
        match store.cursors().get("reader", "s", 0) {
            Ok(stored) => stored.map_or(0, |stored| stored.position.offset),
            // Messages were lost, and it is told.
            Err(Error::EpochChanged { .. }) => u64::MAX,
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn nothing_has_gone_that_a_work_queue_gives_out_again() {
    let disk = SimDisk::new(Settings::get().seed);
    let mut queue = None;
    worked(&disk, |store, _| {
        let open = || store.queue("s", "workers", QueueOptions::new()).expect("opened");
        let queue = queue.get_or_insert_with(open);
        for _ in 0..2 {
            let job = queue.next(Some(Duration::ZERO)).expect("looked").expect("a job");
            job.done().expect("done");
        }
    });
    nothing_went_that_is_needed(&disk, |store| {
        let how = QueueOptions::new().follow_epoch(true);
        let queue = store.queue("s", "workers", how).expect("opened");
        queue.stat().expect("figures").partitions[0].floor
    });
}
