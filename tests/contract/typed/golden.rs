//! Codecs against bytes that are written down under `tests/golden/codec`.

use std::fs;
use std::path::Path;

use duramen::codec::{Bincode, Codec, Json, Postcard, U64, Varint};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Event {
    id: u64,
    name: String,
    tags: Vec<String>,
    at: Option<(f64, f64)>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Ranked(i32),
    Sized { width: u16, height: u16 },
}

fn event(name: &str) -> Event {
    let empty = Event {
        id: 0,
        name: String::new(),
        tags: vec![],
        at: None,
        kind: Kind::Plain,
    };
    match name {
        "empty" => empty,
        "full" => Event {
            id: u64::MAX,
            name: "na\"ïve\n".to_owned(),
            tags: vec!["a".to_owned(), "b".to_owned()],
            at: Some((-1.5, 2.25)),
            kind: Kind::Ranked(-7),
        },
        "struct" => Event {
            id: 300,
            name: "x".to_owned(),
            tags: vec!["ß".to_owned()],
            kind: Kind::Sized {
                width: 1,
                height: u16::MAX,
            },
            ..empty
        },
        other => panic!("there is no event {other}"),
    }
}

/// The lines of a golden file, each split where the first `split` is.
fn lines(name: &str, split: char) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/codec")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(split).expect("two parts"))
        .map(|(first, second)| (first.to_owned(), second.to_owned()))
        .collect();
    assert!(lines.len() >= 2, "{name}");
    lines
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("two digits"))
        .collect()
}

fn encode<C: Codec>(codec: &C, item: &C::Item) -> Vec<u8> {
    // What stands before is left alone.
    let mut out = b"before".to_vec();
    codec.encode(item, &mut out).expect("encoded");
    assert_eq!(&out[..6], b"before");
    out.split_off(6)
}

#[test]
fn varints_are_those_of_go() {
    for (value, hex) in lines("varint.txt", ' ') {
        let value: i64 = value.parse().expect("a number");
        assert_eq!(Varint.decode(&bytes(&hex)).expect(&hex), value);
        assert_eq!(encode(&Varint, &value), bytes(&hex), "{value}");
    }
    for (value, hex) in lines("varint_long.txt", ' ') {
        assert_eq!(
            Varint.decode(&bytes(&hex)).expect(&hex),
            value.parse::<i64>().expect("a number")
        );
    }
    for (hex, wrong) in lines("varint_bad.txt", ' ') {
        assert!(Varint.decode(&bytes(&hex)).is_err(), "{hex}: {wrong}");
    }
}

#[test]
fn every_varint_is_read_back() {
    let edges = (0..63).flat_map(|bit| {
        [
            1_i64 << bit,
            (1 << bit) - 1,
            -(1 << bit),
            (-1) << bit,
            -(1 << bit) - 1,
        ]
    });
    for value in edges.chain([i64::MIN, i64::MAX]) {
        let encoded = encode(&Varint, &value);
        assert!(encoded.len() <= 10);
        assert_eq!(Varint.decode(&encoded).expect("decoded"), value);
        for cut in 0..encoded.len() {
            assert!(Varint.decode(&encoded[..cut]).is_err());
        }
    }
}

#[test]
fn u64_has_the_order_of_its_bytes() {
    let numbers = [0, 1, 255, 256, 65_535, 1 << 32, u64::MAX - 1, u64::MAX];
    let encoded: Vec<_> = numbers.iter().map(|number| encode(&U64, number)).collect();
    assert!(encoded.is_sorted() && encoded.iter().all(|bytes| bytes.len() == 8));
    assert_eq!(
        encoded[4],
        bytes("00000000 0000ffff")[..].to_vec().split_off(0)[..].to_vec()
    );
    for (number, bytes) in numbers.iter().zip(&encoded) {
        assert_eq!(U64.decode(bytes).expect("decoded"), *number);
    }
    assert!(U64.decode(b"1234567").is_err() && U64.decode(b"123456789").is_err());
}

#[test]
fn json_is_what_is_written_down() {
    for (name, text) in lines("json.txt", '\t') {
        let codec = Json::new();
        assert_eq!(codec.decode(text.as_bytes()).expect(&name), event(&name));
        assert_eq!(
            String::from_utf8(encode(&codec, &event(&name))).expect("text"),
            text
        );
        assert!(codec.decode(&text.as_bytes()[1..]).is_err());
        assert!(codec.decode(format!("{text} {text}").as_bytes()).is_err());
    }
}

fn binary(file: &str, codec: &impl Codec<Item = Event>) {
    for (name, hex) in lines(file, '\t') {
        let expected = bytes(&hex);
        assert_eq!(
            codec
                .decode(&expected)
                .unwrap_or_else(|error| panic!("{file} {name}: {error}")),
            event(&name)
        );
        assert_eq!(encode(codec, &event(&name)), expected, "{file} {name}");
        assert!(codec.decode(&expected[..expected.len() - 1]).is_err());
        assert!(
            codec.decode(&[&expected[..], b"\0"].concat()).is_err(),
            "bytes behind the item"
        );
    }
}

#[test]
fn postcard_is_what_is_written_down() {
    binary("postcard.txt", &Postcard::new());
}

#[test]
fn bincode_is_what_is_written_down() {
    binary("bincode.txt", &Bincode::new());
    binary("bincode_legacy.txt", &Bincode::legacy());
}
