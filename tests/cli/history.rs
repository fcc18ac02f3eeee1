//! The real history that ships with the project, through the binary and back.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::thread;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::harness::{Place, published};

/// Processes at a time.
const THREADS: usize = 4;

pub(crate) struct History {
    pub(crate) text: String,
    lines: Vec<String>,
    pub(crate) events: Vec<Value>,
}

impl History {
    pub(crate) fn read() -> History {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/redis-history.jsonl.gz");
        let mut text = String::new();
        GzDecoder::new(File::open(path).expect("the data"))
            .read_to_string(&mut text)
            .expect("text");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let events = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        History { text, lines, events }
    }

    fn time_us(&self, i: usize) -> i64 {
        self.events[i]["time_us"].as_i64().expect("a time")
    }

    /// The event at an offset as `get` prints it.
    pub(crate) fn printed(&self, offset: usize) -> String {
        format!("{{\"offset\":{offset},{}\n", &self.lines[offset][1..])
    }
}

/// Publishes the history, and compares everything the binary can say about it with what the data say.
fn round_trip(flags: &[&str], segments: std::ops::RangeInclusive<u64>) {
    let history = History::read();
    assert_eq!(history.events.len(), 28_200);
    let place = Place::new();
    let flags = [&["--key-index", "--time-index"], flags].concat();
    let summary = place.publish(&flags, history.text.as_bytes());
    assert_eq!(summary.ok(), published(28_200, 28_200));
    let found = place.run("stat", &["--json"]).json()[0]["segments"].as_u64();
    assert!(segments.contains(&found.expect("a number")), "{found:?}");

    let consumed = place.consume(&[]);
    let expected: Vec<_> = (0..history.lines.len())
        .map(|offset| history.printed(offset))
        .collect();
    assert!(
        consumed.ok() == expected.concat(),
        "consumed something else than published"
    );

    keys(&place, &history);
    times(&place, &history);
    assert_eq!(place.run("check", &[]).code, Some(0));
}

/// `get --key` of each key gives its last event, also where that is a tombstone.
fn keys(place: &Place, history: &History) {
    let mut last = HashMap::new();
    for (offset, event) in history.events.iter().enumerate() {
        last.insert(event["key"].as_str().expect("a key"), offset);
    }
    assert_eq!(last.len(), 2_566);
    let last: Vec<_> = last.into_iter().collect();
    side_by_side(&last, |(key, offset)| {
        let run = place.run("get", &["--key", key]);
        assert_eq!(run.ok(), history.printed(*offset));
    });
}

/// `get --time` agrees with a linear search over the running maximum, for times spread evenly over the history and
/// for times of events.
fn times(place: &Place, history: &History) {
    let count = history.events.len();
    let (first, last) = (history.time_us(0), history.time_us(count - 1));
    let spread = (0..=500).map(|i| first + (last - first) / 500 * i);
    let exact = (0..500).map(|i| history.time_us(i * (count / 500)));
    let times: Vec<i64> = spread.chain(exact).collect();
    side_by_side(&times, |time| {
        let mut time_max = i64::MIN;
        let offset = (0..count).find(|i| {
            time_max = time_max.max(history.time_us(*i));
            time_max >= *time
        });
        let run = place.run("get", &["--time", &format!("us:{time}")]);
        match offset {
            Some(offset) => assert_eq!(run.ok(), history.printed(offset), "{time}"),
            None => assert!(run.failed(1).contains("no such message"), "{time}"),
        }
    });
}

fn side_by_side<T: Sync>(items: &[T], check: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for part in items.chunks(items.len().div_ceil(THREADS)) {
            scope.spawn(|| part.iter().for_each(&check));
        }
    });
}

#[test]
fn the_history_comes_back_from_many_segments() {
    round_trip(&["--rollover", "65536"], 20..=2_000);
}

#[test]
fn the_history_comes_back_from_one_segment() {
    round_trip(&[], 1..=1);
}
