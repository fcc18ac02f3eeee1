//! What types cost: the typed path beside the raw one and the codec by itself. Figures are printed; nothing is
//! demanded of them here, because a test may share its machine with others.

use std::time::{Duration, Instant};

use duramen::codec::{Codec, Postcard, U64};
use duramen::{FileLog, Log, NewMessage, Options, Start, TLog, TNewMessage};
use serde::{Deserialize, Serialize};

const BATCH: u64 = 64;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: u32,
    cents: i64,
    lines: [u32; 16],
    is_paid: bool,
}

fn order(number: u64) -> Order {
    let low = u32::try_from(number & 0xff_ffff).expect("24 bits");
    Order {
        id: number,
        customer: low % 1000,
        cents: i64::from(low) - 500,
        lines: [low; 16],
        is_paid: number.is_multiple_of(3),
    }
}

fn new_log() -> (FileLog, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    (Options::new().open(dir.path()).expect("a new log"), dir)
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn publish_raw(log: &FileLog, encoded: &[Vec<u8>]) {
    for (first, values) in (0..).step_by(64).zip(encoded.chunks(64)) {
        let keys: Vec<[u8; 8]> = (first..).take(values.len()).map(u64::to_be_bytes).collect();
        let batch: Vec<_> = keys
            .iter()
            .zip(values)
            .map(|(key, value)| NewMessage::new(key, value))
            .collect();
        log.publish(&batch).expect("published");
    }
}

fn publish_typed(log: &TLog<U64, Postcard<Order>, &FileLog>, orders: &[Order]) {
    for orders in orders.chunks(64) {
        let batch: Vec<_> = orders
            .iter()
            .map(|order| TNewMessage::new(&order.id, order))
            .collect();
        log.publish(&batch).expect("published");
    }
}

fn consume_raw(log: &FileLog, count: u64) {
    let (mut at, mut seen) = (0, 0);
    while at < count {
        let batch = log.consume(Start::At(at), 64).expect("read");
        at = batch.next_offset;
        seen += batch
            .iter()
            .map(|message| message.value.as_ref().map_or(0, |value| value.len() as u64))
            .sum::<u64>();
    }
    assert!(seen > count);
}

fn consume_typed(log: &TLog<U64, Postcard<Order>, &FileLog>, count: u64) {
    let mut at = 0;
    while at < count {
        let batch = log.consume(Start::At(at), 64).expect("read");
        for message in &batch {
            let message = message.as_ref().expect("decoded");
            assert_eq!(message.value.as_ref().map(|order| order.id), Some(message.offset));
        }
        at = batch.next_offset;
    }
}

/// `DURAMEN_MESSAGES=1000000 cargo test --release --all-features --test contract -- --nocapture the_typed_path`
#[test]
fn the_typed_path_beside_the_raw_one() {
    let text = std::env::var("DURAMEN_MESSAGES");
    let count: u64 = text.map_or(50_000, |text| text.parse().expect("a number"));
    let count = count.next_multiple_of(BATCH);
    let codec = Postcard::<Order>::new();
    let orders: Vec<Order> = (0..count).map(order).collect();
    let encode = |order: &Order| {
        let mut out = Vec::new();
        codec.encode(order, &mut out).expect("encoded");
        out
    };
    let encoded: Vec<Vec<u8>> = orders.iter().map(encode).collect();
    let ns =
        |time: Duration| time.as_secs_f64() * 1e9 / f64::from(u32::try_from(count).expect("not so many"));
    for round in 0..3 {
        let mut out = Vec::new();
        let encoding = timed(|| {
            for order in &orders {
                out.clear();
                codec
                    .encode(std::hint::black_box(order), &mut out)
                    .expect("encoded");
            }
        });
        let decoding = timed(|| {
            for bytes in &encoded {
                std::hint::black_box(codec.decode(bytes).expect("decoded"));
            }
        });
        let ((raw, _raw_dir), (other, _other_dir)) = (new_log(), new_log());
        let typed = TLog::new(&other, U64, codec);
        let publish = (
            timed(|| publish_raw(&raw, &encoded)),
            timed(|| publish_typed(&typed, &orders)),
        );
        let consume = (
            timed(|| consume_raw(&raw, count)),
            timed(|| consume_typed(&typed, count)),
        );
        for (what, (raw, typed), own) in [("publish", publish, encoding), ("consume", consume, decoding)] {
            println!(
                "round {round}: {what}, 64 a call, per message: raw {:.0} ns + codec {:.0} ns, typed {:.0} ns: {:.2}x",
                ns(raw),
                ns(own),
                ns(typed),
                ns(typed) / (ns(raw) + ns(own)),
            );
        }
    }
}
