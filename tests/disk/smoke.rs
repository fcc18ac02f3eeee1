//! Publish, read, reopen.
use duramen::{Durability, Error, Log, NewMessage, Options, Start, Timestamp};

fn options() -> Options {
    Options::new().create_dirs(true).key_index(true).time_index(true)
}

fn check_all(log: &dyn Log, n: u64) {
    assert_eq!(log.next_offset().unwrap(), n);
    let mut next = 0;
    let mut seen = 0;
    loop {
        let batch = log.consume(Start::At(next), 64).unwrap();
        if batch.next_offset == next {
            break;
        }
        for m in &batch {
            assert_eq!(m.offset, seen);
            assert_eq!(
                m.key.as_deref().unwrap(),
                format!("key-{}", seen % 100).as_bytes()
            );
            assert_eq!(m.value.as_deref().unwrap(), format!("value-{seen}").as_bytes());
            seen += 1;
        }
        next = batch.next_offset;
    }
    assert_eq!(seen, n);
    for i in 0..n {
        assert_eq!(log.get(Start::At(i)).unwrap().offset, i);
        assert_eq!(
            log.get_by_time(Timestamp::from_micros(i.cast_signed() * 10 - 5))
                .unwrap()
                .offset,
            i
        );
    }
    for k in 0..n.min(100) {
        let newest = (0..n).rev().find(|i| i % 100 == k).unwrap();
        assert_eq!(log.offset_by_key(format!("key-{k}").as_bytes()).unwrap(), newest);
    }
    assert!(matches!(log.get_by_key(b"none"), Err(Error::NotFound)));
    assert_eq!(
        log.consume_by_key(b"key-3", Start::Oldest, 1000)
            .unwrap()
            .messages
            .len() as u64,
        (n + 96) / 100
    );
}

fn publish(log: &dyn Log, from: u64, to: u64, batch: usize) {
    let keys: Vec<(Vec<u8>, Vec<u8>)> = (from..to)
        .map(|i| {
            (
                format!("key-{}", i % 100).into_bytes(),
                format!("value-{i}").into_bytes(),
            )
        })
        .collect();
    let messages: Vec<_> = keys
        .iter()
        .zip(from..)
        .map(|((k, v), i)| NewMessage::new(k, v).time(Timestamp::from_micros(i.cast_signed() * 10)))
        .collect();
    let mut n = from;
    for chunk in messages.chunks(batch) {
        n += chunk.len() as u64;
        assert_eq!(log.publish(chunk).unwrap(), n);
    }
}

#[test]
fn publish_read_reopen() {
    for background in [false, true] {
        for durability in [Durability::Os, Durability::EachPublish] {
            for rollover in [4096, 1 << 20] {
                for batch in [1, 7] {
                    let dir = tempfile::tempdir().unwrap();
                    let o = options()
                        .rollover(rollover)
                        .background(background)
                        .durability(durability);
                    let mut n = 0;
                    for round in 1..4 {
                        let log = o.open(dir.path()).unwrap();
                        assert!(matches!(o.open(dir.path()), Err(Error::Locked { .. })));
                        publish(&log, n, n + 300, batch);
                        n += 300;
                        check_all(&log, n);
                        let mut scan = log.scan(Start::Oldest).unwrap();
                        let mut seen = 0;
                        while let Some(m) = scan.next().unwrap() {
                            assert_eq!(m.offset, seen);
                            seen += 1;
                        }
                        assert_eq!(seen, n);
                        if round != 2 {
                            log.close().unwrap();
                            assert!(matches!(log.next_offset(), Err(Error::Closed)));
                        }
                        drop(log);
                        let log = o.clone().read_only(true).open(dir.path()).unwrap();
                        check_all(&log, n);
                    }
                }
            }
        }
    }
}
