//! What is known of a log that many use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use duramen::{Message, Timestamp};

use fastrand::Rng;

pub(super) const PUBLISHERS: u64 = 4;
pub(super) const KEYS: u64 = 5;
pub(super) const OFFSETS_MAX: usize = 1 << 20;

/// What all threads together know of the log.
pub(super) struct Truth {
    /// At each offset 1 + the number of the message that somebody saw there, or 0.
    pub(super) numbers: Vec<AtomicU64>,
    /// For each key of each publisher, the offset of the last message acknowledged.
    pub(super) newest: Vec<AtomicU64>,
    /// Publishers stop; then readers do.
    pub(super) stop: AtomicBool,
    pub(super) is_complete: AtomicBool,
    pub(super) seed: u64,
}

/// A message's number tells its publisher and how many that one published before.
pub(super) fn number(publisher: u64, sequence: u64) -> u64 {
    publisher << 48 | sequence
}

pub(super) fn key_of(number: u64) -> u64 {
    (number >> 48) * KEYS + number % KEYS
}

pub(super) fn value_of(number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let len = random.u64(..60);
    number
        .to_le_bytes()
        .into_iter()
        .chain((0..len).map(|_| random.u8(..)))
        .collect()
}

pub(super) fn time_of(number: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(number & ((1 << 48) - 1)).expect("48 bits") * 1000)
}

impl Truth {
    pub(super) fn new(seed: u64) -> Truth {
        let zeros = |len| std::iter::repeat_with(AtomicU64::default).take(len).collect();
        Truth {
            numbers: zeros(OFFSETS_MAX),
            newest: zeros(usize::try_from(PUBLISHERS * KEYS).expect("small")),
            stop: AtomicBool::new(false),
            is_complete: AtomicBool::new(false),
            seed,
        }
    }

    pub(super) fn is_over(&self, offset: u64) -> bool {
        self.stop.load(Ordering::Relaxed) || offset + 1000 > OFFSETS_MAX as u64
    }

    pub(super) fn newest(&self, key: u64) -> &AtomicU64 {
        &self.newest[usize::try_from(key).expect("small")]
    }

    /// Notes what is at an offset: the same for everybody, always.
    pub(super) fn note(&self, offset: u64, number: u64) {
        let slot = &self.numbers[usize::try_from(offset).expect("small")];
        let before = slot.compare_exchange(0, number + 1, Ordering::Relaxed, Ordering::Relaxed);
        assert!(
            before.is_ok() || before == Err(number + 1),
            "offset {offset} has two messages"
        );
    }

    /// Checks that a message is one that a publisher made; returns its number.
    pub(super) fn recognise(&self, message: &Message) -> u64 {
        let value = message.value.as_deref().expect("a value");
        let number = u64::from_le_bytes(*value.first_chunk().expect("a number"));
        assert_eq!(value, value_of(number), "offset {}", message.offset);
        assert_eq!(message.key.as_deref(), Some(&key_of(number).to_le_bytes()[..]));
        assert_eq!(message.time, time_of(number));
        self.note(message.offset, number);
        number
    }
}
