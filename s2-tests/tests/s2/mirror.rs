//! A log is mirrored once and in order, whatever happens to the mirror, the way, and the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use duramen::{
    Control, Error, FileLog, Log, LogExt, MemoryLog, Message, NewMessage, Options, PublishOptions, Start,
    Timestamp, Token, compact,
};
use duramen_s2::{Mirror, S2Store};
use fastrand::Rng;

use crate::proxy::Proxy;
use crate::server::{BASIN, SERVER, new_log, options};

/// Everything that the log has, without offsets, which differ.
fn contents(log: &dyn Log) -> Vec<Message> {
    let messages = log.iter(0).map(|message| Message {
        offset: 0,
        ..message.unwrap()
    });
    messages.collect()
}

/// Publishes messages with these numbers as values, some with keys, headers, or nothing.
fn publish(log: &dyn Log, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let value = number.to_string();
        let key = format!("key {}", number % 7);
        let headers: &[(&[u8], &[u8])] = &[(b"@o", b"not an origin"), (b"", b"")];
        let message = NewMessage {
            time: Some(Timestamp::from_micros(i64::try_from(number * 3).unwrap())),
            key: (number % 3 != 0).then_some(key.as_bytes()),
            value: (number % 11 != 0).then_some(value.as_bytes()),
            headers: &headers[..usize::try_from(number % 3).unwrap()],
        };
        log.publish(&[message]).unwrap();
    }
}

#[test]
fn a_mirror_ships_each_message_once_and_goes_on_where_the_last_one_ended() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..2_500);
    let mut first = Mirror::start(source.clone(), &target).unwrap();
    let progress = first.ship().unwrap();
    assert_eq!(
        (
            progress.messages,
            progress.next_offset,
            progress.lag(),
            progress.gaps
        ),
        (2_500, 2_500, 0, 0)
    );
    assert_eq!(first.ship().unwrap().messages, 2_500);
    publish(&*source, 2_500..2_600);
    assert_eq!(first.ship().unwrap().messages, 2_600);
    drop(first);
    publish(&*source, 2_600..3_000);
    let mut second = Mirror::start(source.clone(), &target).unwrap();
    assert_eq!(second.ship().unwrap().messages, 400);
    assert_eq!(contents(&target), contents(&*source));
}

#[test]
fn a_second_mirror_fences_off_the_first() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..10);
    let mut first = Mirror::start(source.clone(), &target).unwrap();
    first.ship().unwrap();
    let mut second = Mirror::start(source.clone(), &target).unwrap();
    publish(&*source, 10..20);
    assert!(matches!(first.ship(), Err(Error::Fenced { .. })));
    assert!(matches!(first.ship(), Err(Error::Fenced { .. })));
    assert_eq!(second.ship().unwrap().messages, 10);
    assert_eq!(contents(&target), contents(&*source));
}

#[test]
fn what_was_deleted_or_compacted_before_is_a_gap() {
    let (source, target) = (
        Arc::new(MemoryLog::with_options(&Options::new().key_index(true))),
        new_log(),
    );
    publish(&*source, 0..100);
    compact::updates(&*source, &compact::Settings::new()).unwrap();
    let left = source.stat().unwrap().messages;
    let mut mirror = Mirror::start(source.clone(), &target).unwrap();
    let progress = mirror.ship().unwrap();
    assert_eq!((progress.messages, progress.gaps), (left, 100 - left));
    assert_eq!(contents(&target), contents(&*source));
}

#[test]
fn what_was_trimmed_before_it_was_shipped_is_told() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..10);
    Mirror::start(source.clone(), &target).unwrap().ship().unwrap();
    publish(&*source, 10..30);
    source.trim(20).unwrap();
    let told = Mirror::start(source.clone(), &target).unwrap_err();
    assert!(
        matches!(
            told,
            Error::OffsetOutOfRange {
                offset: 10,
                start: 20,
                ..
            }
        ),
        "{told}"
    );
    let mut mirror = Mirror::skip_trimmed(source.clone(), &target).unwrap();
    let progress = mirror.ship().unwrap();
    assert_eq!(
        (progress.messages, progress.trimmed, progress.next_offset),
        (10, 10, 30)
    );
    source.trim(30).unwrap();
    publish(&*source, 30..35);
    source.trim(33).unwrap();
    let progress = mirror.ship().unwrap();
    assert_eq!(
        (progress.messages, progress.trimmed, progress.next_offset),
        (12, 13, 35)
    );
}

#[test]
fn a_source_that_was_restored_is_told() {
    let dirs = tempfile::tempdir().unwrap();
    let [old, copy, new] = ["old", "copy", "new"].map(|name| dirs.path().join(name));
    let target = new_log();
    let source = Arc::new(Options::new().create_dirs(true).open(&old).unwrap());
    publish(&*source, 0..10);
    source.backup(&copy).unwrap();
    publish(&*source, 10..20);
    Mirror::start(source.clone(), &target).unwrap().ship().unwrap();
    source.close().unwrap();
    duramen::restore(&copy, &new, Start::Newest).unwrap();
    let restored: Arc<FileLog> = Arc::new(Options::new().open(&new).unwrap());
    publish(&*restored, 50..70);
    let told = Mirror::start(restored.clone(), &target).unwrap_err();
    assert!(
        matches!(
            told,
            Error::EpochChanged {
                parted_at: Some(10),
                ..
            }
        ),
        "{told}"
    );
}

#[test]
fn a_mirror_of_the_wrong_log_leaves_the_right_one_alone() {
    let (source, other, target) = (Arc::new(MemoryLog::new()), Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..10);
    publish(&*other, 0..20);
    let mut mirror = Mirror::start(source.clone(), &target).unwrap();
    mirror.ship().unwrap();
    let refused = Mirror::start(other, &target).unwrap_err();
    assert!(matches!(refused, Error::EpochChanged { .. }), "{refused}");
    publish(&*source, 10..20);
    assert_eq!(mirror.ship().unwrap().messages, 20);
}

#[test]
fn a_message_that_s2_does_not_take_is_found_behind_a_gap() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..3);
    source.publish(&[NewMessage::value(&vec![7; 1 << 20])]).unwrap();
    source.delete(&[2].into()).unwrap();
    let mut mirror = Mirror::start(source.clone(), &target).unwrap();
    let refused = mirror.ship().unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    assert_eq!(mirror.progress().messages, 2);
}

#[test]
fn many_mirrors_without_messages_are_passed_over() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..5);
    Mirror::start(source.clone(), &target).unwrap().ship().unwrap();
    for _ in 0..1_100 {
        let fence = PublishOptions::new().and(Control::Fence(Token::new("other").unwrap()));
        target.append(&[], &fence).unwrap();
    }
    assert_eq!(
        target.get(Start::Newest).unwrap().value.as_deref(),
        Some(&b"4"[..])
    );
    assert_eq!(target.consume(Start::Last(2), 10).unwrap().messages.len(), 2);
    publish(&*source, 5..10);
    assert_eq!(
        Mirror::start(source.clone(), &target)
            .unwrap()
            .ship()
            .unwrap()
            .messages,
        5
    );
    assert_eq!(contents(&target), contents(&*source));
}

#[test]
fn a_stream_of_somebody_else_is_refused() {
    let source = Arc::new(MemoryLog::new());
    publish(&*source, 0..10);
    let target = new_log();
    target.publish(&[NewMessage::value(b"mine")]).unwrap();
    let refused = Mirror::start(source.clone(), &target).unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    // Nothing was written to it, not even a fence.
    assert_eq!(target.next_offset().unwrap(), 1);
    // Nor is one that was trimmed to its end.
    let target = new_log();
    Mirror::start(source.clone(), &target).unwrap().ship().unwrap();
    target.trim(target.next_offset().unwrap()).unwrap();
    let refused = loop {
        match Mirror::start(source.clone(), &target) {
            // The trim arrives late.
            Ok(_) => thread::yield_now(),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Error::Invalid(_)), "{refused}");
}

#[test]
fn a_message_that_s2_does_not_take_is_told_and_all_in_front_of_it_is_shipped() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    publish(&*source, 0..10);
    source.publish(&[NewMessage::value(&vec![7; 1 << 20])]).unwrap();
    publish(&*source, 10..20);
    let mut mirror = Mirror::start(source.clone(), &target).unwrap();
    assert!(matches!(mirror.ship(), Err(Error::TooLarge { .. })));
    assert_eq!(mirror.progress().next_offset, 10);
    assert_eq!(contents(&target), contents(&*source)[..10]);
}

#[test]
fn messages_of_all_sizes_are_shipped() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    let mut rng = Rng::with_seed(4);
    for _ in 0..60 {
        let value = vec![7; rng.usize(..(1 << 20) - 100)];
        source.publish(&[NewMessage::value(&value)]).unwrap();
        publish(&*source, 0..rng.u64(..50));
    }
    Mirror::start(source.clone(), &target).unwrap().ship().unwrap();
    assert!(contents(&target) == contents(&*source));
}

#[test]
fn a_mirror_follows_until_it_is_stopped() {
    let (source, target) = (Arc::new(MemoryLog::new()), new_log());
    let is_stopped = AtomicBool::new(false);
    let mut mirror = Mirror::start(source.clone(), &target).unwrap();
    thread::scope(|scope| {
        let following = scope.spawn(|| mirror.follow(|_| !is_stopped.load(Ordering::Relaxed)).cloned());
        publish(&*source, 0..200);
        while target.next_offset().unwrap() < 201 {
            thread::yield_now();
        }
        is_stopped.store(true, Ordering::Relaxed);
        assert_eq!(following.join().unwrap().unwrap().messages, 200);
    });
}

/// How many messages are published, and how often at least the mirror is started anew and connections are cut.
fn size() -> (u64, u64) {
    let text = std::env::var("DURAMEN_MIRRORED");
    let messages = text.map_or(20_000, |text| text.parse().expect("a number of messages"));
    (messages, messages / 1_000)
}

/// The bar: 100 restarts and 100 cut connections while 100,000 messages are published.
#[test]
fn restarts_and_cut_connections_lose_and_repeat_nothing() {
    let (messages, times) = size();
    let dir = tempfile::tempdir().unwrap();
    let source = Arc::new(Options::new().create_dirs(true).open(dir.path()).unwrap());
    let target = new_log();
    // A connection lives for a few batches.
    let proxy = Proxy::start(SERVER.address, 5, 5_000..150_000);
    let cut_store = S2Store::connect(BASIN, &options(proxy.address).attempts(20)).unwrap();
    let (published, restarts) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = Rng::with_seed(6);
            while published.load(Ordering::Relaxed) < messages {
                let from = published.load(Ordering::Relaxed);
                let to = (from + rng.u64(1..200)).min(messages);
                // Not faster than things go wrong, so that they do while messages are published.
                while to / (messages / times) > restarts.load(Ordering::Relaxed).min(proxy.cuts()) {
                    thread::yield_now();
                }
                publish(&*source, from..to);
                published.store(to, Ordering::Relaxed);
            }
        });
        let mut rng = Rng::with_seed(7);
        loop {
            let was_done = published.load(Ordering::Relaxed) == messages;
            let Ok(target) = cut_store.open(target.name()) else {
                continue;
            };
            let Ok(mut mirror) = Mirror::start(source.clone(), &target) else {
                continue;
            };
            restarts.fetch_add(1, Ordering::Relaxed);
            let stop_after = rng.u64(1..2 * messages / times);
            let shipped = mirror.ship_while(|progress| progress.messages < stop_after);
            // Dropped with what is on its way.
            if was_done && shipped.is_ok_and(|progress| progress.lag() == 0) {
                break;
            }
        }
    });
    let restarts = restarts.into_inner();
    println!(
        "{messages} messages, {restarts} restarts, {} connections cut",
        proxy.cuts()
    );
    assert!(restarts >= times && proxy.cuts() >= times);
    let remote = contents(&target);
    assert_eq!(remote.len() as u64, messages);
    assert!(remote == contents(&*source));
}
