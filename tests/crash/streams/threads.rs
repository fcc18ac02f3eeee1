//! Threads publish to pairs of partitions, and intents are settled meanwhile.

use std::thread;

use duramen::fault::SimDisk;
use duramen::store::{Store, StreamConfig};
use duramen::{Log, NewMessage, Start};

use super::model::{DIR, options, told};
use crate::settings::{Settings, mix};
use crate::verdict::{Verdict, ensure};

const THREADS: u32 = 3;
const PUBLISHED: usize = 100;
const CUTS: u64 = 60;

/// Goal: an intent is not settled with others before its parts are there. Method: each thread publishes to a pair of
/// its own, none of them durable by themselves; the power fails at random points.
#[test]
fn no_part_is_lost_while_others_are_settled() {
    let seed = Settings::get().seed;
    for round in 0..4 {
        let disk = SimDisk::new(mix(seed, round));
        let store = options(&disk).open(DIR).expect("a store");
        let config = StreamConfig::new().partitions(2 * THREADS);
        store.create("s", &config).expect("created");
        thread::scope(|scope| {
            for pair in 0..THREADS {
                let store = &store;
                scope.spawn(move || publish(store, pair));
            }
        });
        let end = disk.point();
        for cut in 0..CUTS {
            let point = (mix(mix(seed, round), cut) % end as u64) as usize;
            let images = disk.crash_images(point, &Settings::get().plan());
            for (index, image) in images.take(3).enumerate() {
                let whole = are_whole(&image);
                whole.unwrap_or_else(|text| panic!("round {round}, point {point}, disk {index}: {text}"));
            }
        }
    }
}

fn publish(store: &Store, pair: u32) {
    let stream = store.stream("s").expect("there");
    for n in 0..PUBLISHED {
        let text = n.to_string();
        let message = [NewMessage::value(text.as_bytes())];
        let parts = [
            (&stream, 2 * pair, &message[..]),
            (&stream, 2 * pair + 1, &message[..]),
        ];
        store.publish_to(&parts).expect("published");
    }
}

/// That both partitions of each pair have the same.
fn are_whole(disk: &SimDisk) -> Verdict<()> {
    let store = options(disk).open(DIR).map_err(|error| told(&error))?;
    let Ok(stream) = store.stream("s") else {
        return Ok(());
    };
    for pair in 0..THREADS {
        let read = |number: u32| {
            let log = stream.partition(number)?;
            let values = log.consume(Start::Oldest, 2 * PUBLISHED)?.messages.into_iter();
            Ok(values.map(|message| message.value).collect::<Vec<_>>())
        };
        let (one, other) = (read(2 * pair), read(2 * pair + 1));
        let (one, other) = (
            one.map_err(|error| told(&error))?,
            other.map_err(|error| told(&error))?,
        );
        ensure!(
            one == other,
            "pair {pair}: {} and {} messages",
            one.len(),
            other.len()
        );
    }
    Ok(())
}
