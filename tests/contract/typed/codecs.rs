//! What holds for every codec: items come back, and no bytes make it panic or take memory without bounds.

use duramen::codec::{Bincode, Bytes, Codec, Json, Lz4, Opt, Postcard, U64, Utf8, Varint, Versioned, Zstd};
use proptest::prelude::*;

type Item = (i64, String, Vec<u8>, Option<bool>);

fn comes_back<C: Codec<Item: PartialEq + std::fmt::Debug>>(codec: &C, item: &C::Item) {
    let mut out = b"before".to_vec();
    codec.encode(item, &mut out).expect("encoded");
    let bytes = bytes::Bytes::from(out.split_off(6));
    assert_eq!(out, b"before");
    assert_eq!(codec.decode(&bytes).expect("decoded"), *item);
    assert_eq!(codec.decode_shared(&bytes).expect("decoded"), *item);
}

fn decode_all(bytes: &[u8]) {
    let shared = bytes::Bytes::copy_from_slice(bytes);
    let _ = (
        Varint.decode(bytes),
        U64.decode(bytes),
        Utf8.decode(bytes),
        Bytes.decode(bytes),
    );
    let _ = (Opt(U64).decode(bytes), Opt(Bytes).decode_shared(&shared));
    let _ = Versioned::new(1, Utf8)
        .older(0, U64, |number| number.to_string())
        .decode(bytes);
    let _ = (
        Json::<Item>::new().decode(bytes),
        Postcard::<Item>::new().decode(bytes),
    );
    let _ = (
        Bincode::<Item>::new().decode(bytes),
        Bincode::<Item>::legacy().decode(bytes),
    );
    let _ = (Zstd::new(Bytes).decode(bytes), Lz4::new(Bytes).decode(bytes));
    let _ = (
        Opt(Zstd::new(Utf8)).decode_shared(&shared),
        Lz4::new(Opt(Varint)).decode_shared(&shared),
    );
}

proptest! {
    #[test]
    fn items_come_back(
        number in any::<i64>(),
        text in ".{0,40}",
        bytes in any::<Vec<u8>>(),
        flag in any::<Option<bool>>(),
    ) {
        comes_back(&Varint, &number);
        comes_back(&U64, &number.cast_unsigned());
        comes_back(&Utf8, &text);
        comes_back(&Bytes, &bytes.clone().into());
        comes_back(&Opt(Varint), &flag.map(|_| number));
        comes_back(&Versioned::new(7, Utf8), &text);
        let item: Item = (number, text, bytes, flag);
        comes_back(&Json::new(), &item);
        comes_back(&Postcard::new(), &item);
        comes_back(&Bincode::new(), &item);
        comes_back(&Bincode::legacy(), &item);
        comes_back(&Zstd::new(Postcard::new()), &item);
        comes_back(&Lz4::new(Postcard::new()), &item);
        comes_back(&Opt(Versioned::new(1, Zstd::new(Lz4::new(Json::new())))), &Some(item));
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&bytes);
    }

    /// Bytes that are nearly right: a few of them changed, or cut.
    #[test]
    fn damaged_bytes_make_no_codec_panic(
        text in "[ab]{0,400}",
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut all = Vec::new();
        for (codec, mut out) in [(0, vec![]), (1, vec![]), (2, vec![]), (3, vec![])] {
            let item: Item = (-7, text.clone(), text.clone().into(), Some(true));
            match codec {
                0 => Zstd::new(Utf8).encode(&text, &mut out),
                1 => Lz4::new(Utf8).encode(&text, &mut out),
                2 => Postcard::new().encode(&item, &mut out),
                _ => Bincode::new().encode(&item, &mut out),
            }.expect("encoded");
            let place = at.index(out.len());
            out[place] ^= change;
            out.truncate(cut.index(out.len() + 1));
            all.push(out);
        }
        for bytes in &all {
            decode_all(bytes);
        }
    }
}

/// A few bytes that claim to be gigabytes are refused before memory is taken.
#[test]
fn bombs_are_refused() {
    let mut bomb = Vec::new();
    Zstd::new(Bytes)
        .encode(&vec![0; 1 << 20].into(), &mut bomb)
        .expect("encoded");
    assert!(bomb.len() < 200);
    assert!(Zstd::new(Bytes).decode(&bomb).is_ok());
    assert!(Zstd::new(Bytes).len_max((1 << 20) - 1).decode(&bomb).is_err());

    bomb.clear();
    Lz4::new(Bytes)
        .encode(&vec![0; 1 << 20].into(), &mut bomb)
        .expect("encoded");
    assert!(Lz4::new(Bytes).len_max(1 << 20).decode(&bomb).is_ok());
    assert!(Lz4::new(Bytes).len_max((1 << 20) - 1).decode(&bomb).is_err());
    assert!(Lz4::new(Bytes).decode(b"\xff\xff\xff\xff\x1fabcdef").is_err());
    assert!(
        Lz4::new(Bytes).decode(b"\xff\xff\xff\x03\x1fabcdef").is_err(),
        "64 MiB from 6 bytes"
    );

    // Lengths inside: a vector of 2^40 elements.
    assert!(
        Postcard::<Vec<u64>>::new()
            .decode(b"\x80\x80\x80\x80\x80\x20")
            .is_err()
    );
    assert!(
        Bincode::<Vec<u64>>::legacy()
            .decode(b"\0\0\0\0\0\x01\0\0")
            .is_err()
    );
    assert!(
        Bincode::<Vec<u64>>::new()
            .decode(b"\xfd\0\0\0\0\0\x01\0\0")
            .is_err()
    );
}

#[test]
fn options_tell_none_from_empty() {
    let codec = Opt(Utf8);
    let encode = |item: &Option<String>| {
        let mut out = Vec::new();
        codec.encode(item, &mut out).expect("encoded");
        out
    };
    assert_eq!(encode(&None), [0]);
    assert_eq!(encode(&Some(String::new())), [1]);
    assert!(codec.decode(b"").is_err() && codec.decode(b"\x02").is_err() && codec.decode(b"\0x").is_err());
}

#[test]
fn versions_are_upgraded_and_unknown_ones_refused() {
    let now = Versioned::new(3, Utf8)
        .older(2, Varint, |number| format!("number {number}"))
        .older(1, U64, |number| format!("old number {number}"));
    assert_eq!(now.decode(b"\x03text").expect("this one"), "text");
    assert_eq!(now.decode(b"\x02\x03").expect("an older one"), "number -2");
    assert_eq!(
        now.decode(b"\x01\0\0\0\0\0\0\0\x05").expect("the oldest"),
        "old number 5"
    );
    assert!(
        now.decode(b"\x04text")
            .is_err_and(|error| error.to_string().contains("version 4"))
    );
    assert!(now.decode(b"").is_err());
    let written = Versioned::new(2, Varint);
    let mut out = Vec::new();
    written.encode(&64, &mut out).expect("encoded");
    assert_eq!(
        now.decode(&out).expect("what the older program wrote"),
        "number 64"
    );
}
