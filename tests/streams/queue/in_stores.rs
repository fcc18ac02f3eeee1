//! The queues of a store's streams.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duramen::queue::{QueueOptions, QueueStat, QueuedPartition, TQueue};
use duramen::store::{self, StoreOptions, StoreProblemKind, StreamConfig};
use duramen::{Backoff, Error, Log, codec};

use super::support::{drain, job, poll};
use crate::support::{Home, publish, until_purged, with_stream};

#[test]
fn the_messages_of_all_partitions_are_given_out() {
    let (_home, store, stream) = with_stream(3);
    for number in 0..6 {
        publish(&stream, number % 3, "job").expect("published");
    }
    let queue = store.queue("s", "g", QueueOptions::new()).expect("opened");
    let mut given = BTreeSet::new();
    while let Some(job) = poll(&queue) {
        given.insert((job.partition(), job.offset));
        job.done().expect("done");
    }
    assert_eq!(
        given,
        (0..3).flat_map(|number| [(number, 0), (number, 1)]).collect()
    );
    let stat = queue.stat().expect("figures");
    assert!(
        stat.partitions.iter().all(|partition| partition.floor == 2),
        "{stat:?}"
    );
}

#[test]
fn each_group_gets_everything_and_one_handle_has_it() {
    let (_home, store, stream) = with_stream(1);
    publish(&stream, 0, "job").expect("published");
    let [a, b] = ["a", "b"].map(|group| store.queue("s", group, QueueOptions::new()).expect("opened"));
    assert_eq!((drain(&a), drain(&b)), (vec![0], vec![0]));
    let again = store.queue("s", "a", QueueOptions::new());
    assert!(matches!(again, Err(Error::Locked { .. })), "{again:?}");
}

#[test]
fn a_worker_is_woken_by_a_message_to_any_partition() {
    let (_home, store, stream) = with_stream(2);
    let queue = store.queue("s", "g", QueueOptions::new()).expect("opened");
    for number in [1, 0] {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let job = queue
                    .next(Some(Duration::from_secs(20)))
                    .expect("a look")
                    .expect("a job");
                let number = job.partition();
                job.done().expect("done");
                number
            });
            std::thread::sleep(Duration::from_millis(10));
            publish(&stream, number, "job").expect("published");
            assert_eq!(worker.join().expect("no panic"), number);
        });
    }
}

#[test]
fn a_stream_for_dead_letters_is_made_and_the_letters_of_two_groups_are_told_apart() {
    let (_home, store, stream) = with_stream(2);
    publish(&stream, 1, "job").expect("published");
    let how = || QueueOptions::new().dead_letter("dead");
    let [a, b] = ["a", "b"].map(|group| store.queue("s", group, how()).expect("opened"));
    for queue in [&a, &b] {
        job(queue).bury("why").expect("buried");
    }
    let dead = store.stream("dead").expect("there").partition(0).expect("there");
    assert_eq!(dead.next_offset().expect("an end"), 2);
    assert_eq!(b.kick(9).expect("kicked"), 1);
    // It went to the partition that it came from.
    assert_eq!((drain(&a), drain(&b)), (vec![1], vec![1]));
}

#[test]
fn a_partition_that_is_paused_holds_no_other_back() {
    let (_home, store, stream) = with_stream(2);
    for number in 0..2 {
        publish(&stream, number, "job").expect("published");
    }
    let queue = store.queue("s", "g", QueueOptions::new()).expect("opened");
    stream.pause(&0.into(), false).expect("paused");
    let given = job(&queue);
    assert_eq!(given.partition(), 1);
    given.done().expect("done");
    assert!(poll(&queue).is_none());
    stream.resume(&0.into()).expect("resumed");
    assert_eq!(job(&queue).partition(), 0);
}

#[test]
fn what_is_tried_again_in_a_paused_partition_holds_no_other_back() {
    let (_home, store, stream) = with_stream(2);
    for number in 0..2 {
        publish(&stream, number, "job").expect("published");
    }
    let letters = StreamConfig::new();
    store.create("dead", &letters).expect("created");
    let how = QueueOptions::new().attempts_max(2).dead_letter("dead");
    let queue = store.queue("s", "g", how).expect("opened");
    let first = job(&queue);
    assert_eq!(first.partition(), 0);
    first.retry(Duration::ZERO).expect("retried");
    stream.pause(&0.into(), false).expect("paused");
    let other = job(&queue);
    assert_eq!(other.partition(), 1);
    assert!(poll(&queue).is_none());
    stream.resume(&0.into()).expect("resumed");
    let again = job(&queue);
    assert_eq!((again.partition(), again.attempt()), (0, 2));
    // What is to be buried waits as well, and nobody else for it.
    stream.pause(&0.into(), false).expect("paused");
    assert!(matches!(again.bury("why"), Err(Error::Paused { .. })));
    other.retry(Duration::ZERO).expect("retried");
    let other = job(&queue);
    assert_eq!((other.partition(), other.attempt()), (1, 2));
    other.done().expect("done");
    stream.resume(&0.into()).expect("resumed");
    assert!(poll(&queue).is_none());
    let dead = store
        .stream("dead")
        .expect("there")
        .partition(0)
        .expect("a partition");
    assert_eq!(dead.next_offset().expect("open"), 1);
}

#[test]
fn a_state_is_kept_by_the_store_and_goes_with_its_stream() {
    let (home, store, stream) = with_stream(1);
    for _ in 0..2 {
        publish(&stream, 0, "job").expect("published");
    }
    let queue = store.queue("s", "g", QueueOptions::new()).expect("opened");
    job(&queue).done().expect("done");
    drop((queue, stream));
    store.close().expect("closed");
    drop(store);
    let store = home.open();
    assert_eq!(
        drain(&store.queue("s", "g", QueueOptions::new()).expect("opened")),
        [1]
    );
    assert!(
        store::check(home.path(), &home.options)
            .expect("a check")
            .is_clean()
    );
    let id = store.stream("s").expect("there").id().expect("an id").to_string();
    let state = home.path().join("queues").join(id);
    assert!(state.join("67").is_dir());
    store.delete("s").expect("deleted");
    until_purged(&store, "s");
    assert!(!state.exists());
}

#[test]
fn a_backup_and_a_restore_keep_the_state() {
    let (home, store, stream) = with_stream(1);
    for _ in 0..4 {
        publish(&stream, 0, "job").expect("published");
    }
    let queue = store.queue("s", "g", QueueOptions::new()).expect("opened");
    job(&queue).done().expect("done");
    let copy = home.path().with_extension("copy");
    store.backup(&copy).expect("a backup");
    job(&queue).done().expect("done");
    // Onto the earlier one.
    store.backup(&copy).expect("a backup");
    let again = home.path().with_extension("again");
    store::restore(&copy, &again, &home.options).expect("restored");
    assert_eq!(drain(&queue), [2, 3]);
    for dir in [copy, again] {
        let store = home.options.open(dir).expect("opened");
        assert_eq!(
            drain(&store.queue("s", "g", QueueOptions::new()).expect("opened")),
            [2, 3]
        );
        store.close().expect("closed");
    }
}

#[test]
fn a_damaged_state_is_a_problem_of_the_store() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "job").expect("published");
    drain(&store.queue("s", "g", QueueOptions::new()).expect("opened"));
    let id = stream.id().expect("an id").to_string();
    store.close().expect("closed");
    let state = home.path().join("queues").join(id).join("67");
    let segment = fs::read_dir(&state)
        .expect("entries")
        .map(|entry| entry.expect("an entry").path());
    let segment = segment
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .min();
    fs::write(segment.expect("a segment"), b"damaged").expect("written");
    let report = store::check(home.path(), &home.options).expect("a check");
    assert!(!report.is_clean());
    let kinds: Vec<_> = report.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [StoreProblemKind::Queue]);
    assert_eq!(report.problems[0].path, state);
}

#[test]
fn what_cannot_be_a_queue_is_refused() {
    let (home, store, _stream) = with_stream(1);
    let opened = |stream: &str, group: &str, how| store.queue(stream, group, how).map(|_| ());
    let how = QueueOptions::new;
    for (group, options) in [
        ("", how()),
        (&"g".repeat(101), how()),
        ("g", how().dead_letter("s")),
        ("g", how().attempts_max(0)),
    ] {
        let refused = opened("s", group, options);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{group}: {refused:?}");
    }
    assert!(matches!(opened("t", "g", how()), Err(Error::NoStream { .. })));
    opened("s", &"g".repeat(100), how()).expect("opened");
    let groups = || home.open_to_read().queues("s");
    assert_eq!(groups().expect("a list"), ["g".repeat(100)]);
    assert!(matches!(
        home.open_to_read().queues("t"),
        Err(Error::NoStream { .. })
    ));
}

/// Goal: whoever looks beside the workers sees what they have noted, and changes nothing.
#[test]
fn a_queue_is_looked_at_beside_its_workers() {
    let (home, store, stream) = with_stream(2);
    for number in [0, 0, 0, 0, 1] {
        publish(&stream, number, "job").expect("published");
    }
    let look = || home.open_to_read().queue("s", "g", QueueOptions::new());
    assert!(matches!(look(), Err(Error::NoLog { .. })));
    assert!(!home.path().join("queues").exists(), "looking makes nothing");

    let how = QueueOptions::new().dead_letter("dead");
    let queue = store.queue("s", "g", how).expect("opened");
    let jobs: Vec<_> = std::iter::from_fn(|| poll(&queue)).collect();
    assert_eq!(jobs.len(), 5);
    for job in jobs {
        match (job.partition(), job.offset) {
            (0, 0) => job.done().expect("done"),
            (0, 1) => job.retry(Duration::from_secs(3600)).expect("noted"),
            (0, 2) => job.bury("why").expect("buried"),
            _ => std::mem::forget(job),
        }
    }
    let looked = look().expect("opened");
    let (own, stat) = (queue.stat().expect("figures"), looked.stat().expect("figures"));
    assert_eq!(stat.buried, 1);
    for (own, seen) in own.partitions.iter().zip(&stat.partitions) {
        assert_eq!((own.floor, own.leased), (seen.floor, seen.leased));
        assert_eq!((own.open(), own.delayed), (seen.open(), seen.delayed));
    }
    let open = |of: &QueueStat| of.partitions.iter().map(QueuedPartition::open).sum::<u64>();
    assert_eq!((open(&stat), stat.partitions[0].leased), (3, 1));
    let seen = looked.peek(10).expect("a look").into_iter();
    let seen: Vec<_> = seen.map(|(number, message)| (number, message.offset)).collect();
    assert_eq!(seen, [(0, 1), (0, 3), (1, 0)]);
    assert!(matches!(looked.next(Some(Duration::ZERO)), Err(Error::ReadOnly)));
    assert!(matches!(looked.kick(1), Err(Error::ReadOnly)));
    assert!(matches!(looked.sync(), Err(Error::ReadOnly)));
    looked.close().expect("closed");
    assert_eq!(queue.stat().expect("figures"), own);
}

/// Each time a queue is opened, its state is written anew, and what was before is trimmed.
#[test]
fn looking_goes_on_while_the_state_is_written_anew() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "job").expect("published");
    let open = || store.queue("s", "g", QueueOptions::new()).expect("opened");
    drop(open());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                let queue = open();
                publish(&stream, 0, "job").expect("published");
                job(&queue).done().expect("done");
            }
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            let looked = home.open_to_read().queue("s", "g", QueueOptions::new());
            let stat = looked.expect("opened").stat().expect("figures");
            assert!(stat.partitions[0].open() >= 1, "{stat:?}");
        }
    });
}

#[test]
fn what_was_trimmed_is_not_open() {
    let (_home, store, stream) = with_stream(1);
    for _ in 0..4 {
        publish(&stream, 0, "job").expect("published");
    }
    let queue = store.queue("s", "g", QueueOptions::new()).expect("opened");
    stream.partition(0).expect("there").trim(3).expect("trimmed");
    let stat = queue.stat().expect("figures");
    assert_eq!((stat.partitions[0].floor, stat.partitions[0].open()), (3, 1));
    assert_eq!(drain(&queue), [3]);
}

#[test]
fn a_message_that_cannot_be_decoded_is_buried_in_the_end() {
    let home = Home::with(|options: StoreOptions| options.create_dirs(true));
    let store = home.open();
    store.create("s", &StreamConfig::new()).expect("created");
    let stream = store.stream("s").expect("there");
    publish(&stream, 0, "seven").expect("published");
    publish(&stream, 0, "12345678").expect("published");
    let how = QueueOptions::new()
        .attempts_max(2)
        .backoff(Backoff::new().first(Duration::ZERO).max(Duration::ZERO));
    let queue = store.queue("s", "g", how).expect("opened");
    let queue = TQueue::new(queue, codec::Utf8, codec::U64);
    let next = || queue.next(Some(Duration::ZERO));
    for _ in 0..2 {
        assert!(matches!(next(), Err(Error::Decode(_))));
    }
    let job = next().expect("a look").expect("a job");
    assert_eq!(job.value, Some(u64::from_be_bytes(*b"12345678")));
    assert_eq!((job.attempt(), job.partition(), job.raw().offset), (1, 0, 1));
    job.done().expect("done");
    assert_eq!(queue.raw().stat().expect("figures").buried, 1);
}
