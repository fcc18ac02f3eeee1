//! A log is made of a stream again.

use std::sync::Arc;

use duramen::{
    Control, Error, Log, LogExt, Message, NewMessage, Options, PublishOptions, Start, Timestamp, check,
};
use duramen_s2::{Mirror, restore_from_s2};

use crate::server::new_log;

fn messages(log: &dyn Log) -> Vec<Message> {
    log.iter(log.start_offset().unwrap())
        .map(Result::unwrap)
        .collect()
}

#[test]
fn a_log_that_was_mirrored_comes_back_with_its_offsets_and_gaps() {
    let dirs = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| dirs.path().join(name));
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    let source = Arc::new(options.open(&old).unwrap());
    for number in 0..3_000_i64 {
        let (key, value) = (format!("key {}", number % 5), number.to_string());
        let headers: &[(&[u8], &[u8])] = &[(b"@k", b"not a key"), (b"", b"")];
        let message = NewMessage {
            time: Some(Timestamp::from_micros(number * 7)),
            key: (number % 3 != 0).then_some(key.as_bytes()),
            value: (number % 4 != 0).then_some(value.as_bytes()),
            headers,
        };
        source.publish(&[message]).unwrap();
    }
    source.delete(&(500..1_700).collect()).unwrap();
    source
        .append(
            &[],
            &PublishOptions::new().and(Control::Fence("a".parse().unwrap())),
        )
        .unwrap();
    source
        .publish(&[NewMessage::value(b"the last one").time(Timestamp::from_micros(1))])
        .unwrap();
    source.trim(100).unwrap();
    let target = new_log();
    Mirror::start(source.clone(), &target).unwrap().ship().unwrap();

    let mut seen = 0;
    let restored = restore_from_s2(&target, &new, &options, |messages| seen = messages).unwrap();
    assert_eq!((restored.messages, seen), (1_701, 1_701));
    assert_eq!((restored.start_offset, restored.next_offset), (100, 3_002));
    let log = options.open(&new).unwrap();
    assert!(messages(&log) == messages(&*source));
    for time in [0, 1_000, 20_000] {
        let time = Timestamp::from_micros(time);
        assert_eq!(log.get_by_time(time).unwrap(), source.get_by_time(time).unwrap());
    }
    assert_eq!(
        log.get_by_key(b"key 1").unwrap(),
        source.get_by_key(b"key 1").unwrap()
    );
    log.close().unwrap();
    assert!(check(&new, &options).unwrap().is_clean());
}

#[test]
fn a_stream_that_nobody_mirrored_becomes_a_log_with_its_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let target = new_log();
    let fence = PublishOptions::new().and(Control::Fence("a".parse().unwrap()));
    target.append(&[NewMessage::value(b"0")], &fence).unwrap();
    target
        .publish(&[NewMessage::new(b"k", b"2"), NewMessage::tombstone(b"k")])
        .unwrap();
    target.append(&[], &fence).unwrap();
    let options = Options::new().create_dirs(true);
    let restored = restore_from_s2(&target, dir.path().join("log"), &options, |_| ()).unwrap();
    assert_eq!(
        (restored.messages, restored.start_offset, restored.next_offset),
        (3, 0, 5)
    );
    let log = options.open(dir.path().join("log")).unwrap();
    assert_eq!(messages(&log), messages(&target));
    assert!(matches!(log.get(Start::At(1)), Err(Error::NotFound)));
}

#[test]
fn nothing_is_restored_over_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().create_dirs(true);
    options
        .open(dir.path())
        .unwrap()
        .publish(&[NewMessage::value(b"mine")])
        .unwrap();
    let refused = restore_from_s2(&new_log(), dir.path(), &options, |_| ()).unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    assert_eq!(options.open(dir.path()).unwrap().next_offset().unwrap(), 1);
}

#[test]
fn an_empty_stream_becomes_an_empty_log() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().create_dirs(true);
    let restored = restore_from_s2(&new_log(), dir.path().join("log"), &options, |_| ()).unwrap();
    assert_eq!((restored.messages, restored.next_offset), (0, 0));
    assert_eq!(
        options
            .open(dir.path().join("log"))
            .unwrap()
            .next_offset()
            .unwrap(),
        0
    );
}
