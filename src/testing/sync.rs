use std::time::Duration;

use super::support::{all, drain, in_threads, offsets, publish_keys, publish_numbers, publish_one};
use super::{Case, Factory, Setup, case};
use crate::{Log, NewMessage, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    sync_of_an_empty_log_returns_the_next_offset,
    sync_returns_the_offset_after_what_was_published,
    sync_can_be_repeated,
    sync_from_many_threads_covers_what_each_published,
    publish_with_sync_from_many_threads_covers_what_each_published,
    gc_of_an_empty_log_is_harmless,
    gc_changes_nothing,
    gc_leaves_the_log_usable,
    a_message_outlives_gc,
];

fn sync_of_an_empty_log_returns_the_next_offset(new: Factory<'_>) {
    assert_eq!(new(Setup::PLAIN).sync().unwrap(), 0);
}

fn sync_returns_the_offset_after_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for end in 1..10 {
        publish_numbers(&log, end - 1..end);
        assert_eq!(log.sync().unwrap(), end);
        assert_eq!(log.stat().unwrap().synced_offset, end);
    }
}

fn sync_can_be_repeated(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    for _ in 0..3 {
        assert_eq!(log.sync().unwrap(), 3);
    }
    publish_numbers(&log, 3..5);
    assert_eq!(log.sync().unwrap(), 5);
    assert_eq!(offsets(&all(&log)), [0, 1, 2, 3, 4]);
}

fn sync_from_many_threads_covers_what_each_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    in_threads(4, |_| {
        for _ in 0..25 {
            let offset = publish_one(&log, NewMessage::value(b"x"));
            let synced = log.sync().unwrap();
            let end = log.next_offset().unwrap();
            assert!(
                offset < synced && synced <= end,
                "after publishing {offset}: synced {synced}, end {end}"
            );
        }
    });
    assert_eq!(log.sync().unwrap(), 100);
}

fn publish_with_sync_from_many_threads_covers_what_each_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let how = PublishOptions::new().sync(true);
    in_threads(4, |_| {
        for _ in 0..25 {
            let end = log.publish_with(&[NewMessage::value(b"x")], &how).unwrap();
            let synced = log.stat().unwrap().synced_offset;
            assert!(synced >= end, "published up to {end}, synced {synced}");
        }
    });
    assert_eq!(log.stat().unwrap().synced_offset, 100);
}

fn gc_of_an_empty_log_is_harmless(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    log.gc(Duration::ZERO).unwrap();
    log.gc(Duration::MAX).unwrap();
    assert_eq!(log.next_offset().unwrap(), 0);
}

fn gc_changes_nothing(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_keys(&log, &["a", "b", "a"]);
    let (messages, stats) = (all(&log), log.stat().unwrap());
    for unused_for in [Duration::ZERO, Duration::from_secs(3600), Duration::MAX] {
        log.gc(unused_for).unwrap();
        assert_eq!(all(&log), messages);
        assert_eq!(log.offset_by_key(b"a").unwrap(), 2);
        assert_eq!(log.get_by_time(messages[0].time).unwrap().offset, 0);
        let after = log.stat().unwrap();
        assert_eq!(
            (after.messages, after.next_offset),
            (stats.messages, stats.next_offset)
        );
    }
}

fn gc_leaves_the_log_usable(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for end in 1..20 {
        publish_keys(&log, &["a"]);
        log.gc(Duration::ZERO).unwrap();
        assert_eq!(log.offset_by_key(b"a").unwrap(), end - 1);
        assert_eq!(drain(&log, Start::Oldest, 5).next_offset, end);
    }
}

fn a_message_outlives_gc(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = vec![7; 100_000];
    publish_one(&log, NewMessage::value(&value));
    let message = log.get(Start::Oldest).unwrap();
    log.gc(Duration::ZERO).unwrap();
    assert!(message.value.as_deref() == Some(&value[..]));
    assert_eq!(log.get(Start::Oldest).unwrap(), message);
}
