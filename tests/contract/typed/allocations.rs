//! What the typed path allocates, counted.

use allocation_counter::measure;
use bytes::Bytes;
use duramen::codec::{self, Codec, Json, Lz4, Postcard, U64, Utf8, Varint, Zstd};
use duramen::{FileLog, Log, NewMessage, Options, Start, TLog, TNewMessage};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    sensor: u32,
    value: f64,
    unit: String,
}

fn reading() -> Reading {
    Reading {
        sensor: 7,
        value: 21.5,
        unit: "degrees Celsius".repeat(5),
    }
}

fn new_log() -> (FileLog, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    // A background thread's allocations would not be counted here: how many are left to the caller would be chance.
    (
        Options::new()
            .key_index(true)
            .background(false)
            .open(dir.path())
            .expect("a new log"),
        dir,
    )
}

/// Allocations of a call that was made often before.
fn steady(mut call: impl FnMut()) -> u64 {
    (0..20).for_each(|_| call());
    measure(|| (0..100).for_each(|_| call())).count_total
}

/// Publishes batches of `count` messages, raw and typed, and returns the allocations of 100 batches each.
fn published<VC: Codec>(codec: VC, value: &VC::Item, count: u64) -> (u64, u64) {
    let ((raw, _raw_dir), (other, _other_dir)) = (new_log(), new_log());
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).expect("encoded");
    let typed = TLog::new(other, U64, codec);
    let keys: Vec<u64> = (0..count).collect();
    let key_bytes: Vec<[u8; 8]> = keys.iter().map(|key| key.to_be_bytes()).collect();
    let raw_batch: Vec<_> = key_bytes.iter().map(|key| NewMessage::new(key, &bytes)).collect();
    let typed_batch: Vec<_> = keys.iter().map(|key| TNewMessage::new(key, value)).collect();
    (
        steady(|| drop(raw.publish(&raw_batch).map(drop))),
        steady(|| drop(typed.publish(&typed_batch).map(drop))),
    )
}

#[test]
fn publishing_typed_messages_allocates_nothing_of_its_own() {
    let text = "text".to_owned();
    for count in [1, 64] {
        let counts = [
            ("Varint", published(Varint, &-7, count)),
            ("Utf8", published(Utf8, &text, count)),
            (
                "Bytes",
                published(codec::Bytes, &Bytes::from_static(b"bytes"), count),
            ),
            ("Json", published(Json::new(), &reading(), count)),
            ("Postcard", published(Postcard::new(), &reading(), count)),
            ("Zstd", published(Zstd::new(Postcard::new()), &reading(), count)),
            ("Lz4", published(Lz4::new(Postcard::new()), &reading(), count)),
        ];
        for (codec, (raw, typed)) in counts {
            println!("{codec}, 100 batches of {count}: raw {raw} allocations, typed {typed}");
            // The log's own, such as its index growing, come in both.
            assert!(typed <= raw + 2, "{codec}: {typed} allocations, raw {raw}");
            assert!(typed < 100, "{codec}: {typed} allocations in 100 batches");
        }
    }
}

#[test]
fn consuming_typed_messages_allocates_one_list_a_batch() {
    let (log, _dir) = new_log();
    let typed = TLog::new(log, U64, Varint);
    let keys: Vec<u64> = (0..64).collect();
    let batch: Vec<_> = keys.iter().map(|key| TNewMessage::new(key, &-7)).collect();
    typed.publish(&batch).expect("published");
    let raw_len = || {
        typed
            .raw()
            .consume(Start::Oldest, 64)
            .expect("read")
            .messages
            .len()
    };
    let len = || typed.consume(Start::Oldest, 64).expect("read").messages.len();
    let raw_count = steady(|| assert_eq!(raw_len(), 64));
    let count = steady(|| assert_eq!(len(), 64));
    println!("100 batches of 64: raw {raw_count} allocations, typed {count}");
    assert!(count <= raw_count + 100, "{count}, raw {raw_count}");
}

#[test]
fn lookups_by_typed_key_allocate_as_raw_ones() {
    let (log, _dir) = new_log();
    let typed = TLog::new(log, U64, Varint);
    typed.publish(&[TNewMessage::new(&7, &-7)]).expect("published");
    let raw_count = steady(|| drop(typed.raw().get_by_key(&7_u64.to_be_bytes()).expect("there")));
    let count = steady(|| drop(typed.get_by_key(&7).expect("there")));
    assert!(count <= raw_count, "{count}, raw {raw_count}");
}
