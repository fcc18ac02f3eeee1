//! Row: reconfigure.

use std::time::Duration;

use duramen::store::{Patch, RetentionConfig, RetentionPatch, StreamConfig, StreamPatch};
use duramen::{Durability, Error, Log, NewMessage, Options};

use crate::support::{Home, plain, publish, values};

#[test]
fn what_a_patch_does_not_name_is_kept() {
    let home = Home::new();
    let store = home.open();
    let retention = RetentionConfig::new().max_messages(5).max_bytes(1 << 20);
    store
        .create("s", &plain().key_index(true).retention(retention))
        .expect("created");
    let patch = StreamPatch::new().time_index(true);
    let config = store.reconfigure("s", &patch).expect("reconfigured");
    assert_eq!((config.key_index, config.time_index), (Some(true), Some(true)));
    assert_eq!(config.retention.max_messages, Some(5));
    let nested = StreamPatch::new().retention(RetentionPatch::new().max_messages(7));
    let config = store.reconfigure("s", &nested).expect("reconfigured");
    assert_eq!(config.retention.max_messages, Some(7));
    assert_eq!(config.retention.max_bytes, Some(1 << 20));
    assert_eq!(store.config("s").expect("there"), config);
}

#[test]
fn clear_goes_to_the_stores_default_as_of_now() {
    let day = Duration::from_secs(86_400);
    let with = |durability| {
        StreamConfig::new()
            .durability(durability)
            .retention(RetentionConfig::new().max_age(day))
    };
    let mut home = Home::with(|options| options.defaults(with(Durability::EachPublish)));
    let store = home.open();
    let none = RetentionConfig::new().max_age(Duration::MAX);
    let config = plain().durability(Durability::Os).retention(none);
    store.create("s", &config).expect("created");
    assert_eq!(store.config("s").expect("there").retention.max_age, None);
    drop(store);

    home.options = home.options.clone().defaults(with(Durability::Bytes(9)));
    let store = home.open();
    let clear = StreamPatch::new()
        .durability(Patch::Clear)
        .retention(RetentionPatch::new().max_age(Patch::Clear));
    let config = store.reconfigure("s", &clear).expect("reconfigured");
    assert_eq!(config.durability, Some(Durability::Bytes(9)));
    assert_eq!(config.retention.max_age, Some(day));
}

#[test]
fn other_defaults_touch_no_stream() {
    let mut home = Home::with(|options| options.defaults(StreamConfig::new().key_index(true)));
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let before = store.config("s").expect("there");
    drop(store);
    let others = StreamConfig::new()
        .partitions(7)
        .key_index(false)
        .time_index(true);
    home.options = home.options.clone().defaults(others);
    let store = home.open();
    assert_eq!(store.config("s").expect("there"), before);
    let config = store
        .reconfigure("s", &StreamPatch::new().require_token(true))
        .expect("reconfigured");
    assert_eq!((config.key_index, config.time_index), (Some(true), Some(false)));
}

#[test]
fn a_change_is_in_effect_for_who_has_the_partition_already() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let stream = store.stream("s").expect("there");
    let log = stream.partition(0).expect("there");
    log.publish(&[NewMessage::new(b"k", b"v")]).expect("published");
    assert!(matches!(log.get_by_key(b"k"), Err(Error::NoIndex { .. })));
    store
        .reconfigure("s", &StreamPatch::new().key_index(true))
        .expect("reconfigured");
    assert_eq!(log.get_by_key(b"k").expect("found").offset, 0);
    let limit = StreamPatch::new().retention(RetentionPatch::new().max_messages(2));
    store.reconfigure("s", &limit).expect("reconfigured");
    for n in 0..5 {
        publish(&stream, 0, &n.to_string()).expect("published");
    }
    log.apply_retention(false).expect("applied");
    assert_eq!(values(&stream, 0).expect("read"), ["3", "4"]);
}

#[test]
fn a_patch_that_is_not_allowed_changes_nothing() {
    // Without a background there is no paced durability.
    let home = Home::with(|options| options.log(Options::new().background(false)));
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let before = store.config("s").expect("there");
    let patch = StreamPatch::new()
        .key_index(true)
        .durability(Durability::Bytes(9));
    assert!(matches!(store.reconfigure("s", &patch), Err(Error::Invalid(_))));
    assert_eq!(store.config("s").expect("there"), before);
    assert!(matches!(
        store.reconfigure("t", &StreamPatch::new()),
        Err(Error::NoStream { .. })
    ));
}

#[test]
fn a_change_outlasts_reopening() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let config = store
        .reconfigure("s", &StreamPatch::new().key_index(true))
        .expect("reconfigured");
    drop(store);
    assert_eq!(home.open().config("s").expect("there"), config);
}
