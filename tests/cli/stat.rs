use serde_json::{Value, json};

use crate::harness::{Place, numbered};

/// The JSON object has the fields of `Stats`, and tells the truth.
#[test]
fn stat_tells_what_is_there() {
    let place = Place::new();
    place
        .publish(
            &["--key-index", "--rollover", "1024", "--batch", "10"],
            numbered(100).as_bytes(),
        )
        .ok();
    let stats = place.run("stat", &["--json"]).json();
    let [Value::Object(stats)] = stats.as_slice() else {
        panic!("not one object: {stats:?}");
    };
    let number = |name: &str| stats[name].as_u64().expect("a number");
    assert_eq!(number("messages"), 100);
    assert_eq!(number("start_offset"), 0);
    assert_eq!(number("next_offset"), 100);
    assert_eq!(number("synced_offset"), 100);
    assert_eq!(stats["key_index"], true);
    assert_eq!(stats["time_index"], false);
    assert!(number("segments") > 1 && number("size") > 1_000);
    assert!(stats.contains_key("epoch"));
    assert_eq!((&stats["token"], &stats["sealed"]), (&json!(""), &json!(false)));
    assert_eq!(number("producers"), 0);
    let wanted = match duramen::stat(place.dir(), &duramen::Options::new())
        .expect("figures")
        .mapped_files
    {
        duramen::MappedFiles::Sealed => "sealed",
        duramen::MappedFiles::Nothing => "none",
        _ => "all",
    };
    assert_eq!(stats["mapped_files"], wanted);
    let life = stats["life"].as_str().expect("a text");
    assert!(life.parse::<duramen::LifeId>().is_ok(), "{life}");

    let text = place.run("stat", &[]);
    for line in [
        "messages      100",
        "next offset   100",
        "token         \"\"",
        "sealed        false",
        "producers     0",
        "key index     true",
    ] {
        assert!(text.ok().lines().any(|found| found == line), "{text:?}");
    }
}

#[test]
fn stat_needs_a_log() {
    let place = Place::new();
    assert!(
        place
            .run("stat", &["--json"])
            .failed(1)
            .contains("there is no log here")
    );
}
