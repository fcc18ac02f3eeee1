//! Messages that can be told apart.

use duramen::{FileLog, Log, Message, NewMessage, Timestamp};

use fastrand::Rng;

pub(super) const KEYS: u64 = 50;

/// Which message it is: everything about it follows from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) life: u64,
    pub(super) writer: u64,
    /// How many messages the writer published before it in this life.
    pub(super) sequence: u64,
    /// Its place in its batch, and how large that is.
    pub(super) place: u64,
    pub(super) count: u64,
}

impl Id {
    fn value(self) -> Vec<u8> {
        let Id {
            life,
            writer,
            sequence,
            place,
            count,
        } = self;
        let head = [life, writer, sequence, place, count]
            .map(u64::to_le_bytes)
            .concat();
        let mut random = Rng::with_seed(life << 40 ^ writer << 32 ^ sequence);
        let len = random.u64(..100);
        head.into_iter().chain((0..len).map(|_| random.u8(..))).collect()
    }

    pub(super) fn key(self) -> u64 {
        Rng::with_seed(self.life ^ self.sequence << 8 ^ self.writer).u64(..KEYS)
    }

    pub(super) fn time(self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.life * 1_000_000 + self.sequence * 10).expect("small"))
    }

    /// Which message that is, if it is exactly one that was published.
    pub(super) fn of(message: &Message) -> Id {
        let value = message.value.as_deref().expect("a value");
        let field = |n: usize| {
            let bytes = value
                .get(n * 8..n * 8 + 8)
                .and_then(|bytes| bytes.first_chunk().copied());
            u64::from_le_bytes(bytes.expect("a field"))
        };
        let id = Id {
            life: field(0),
            writer: field(1),
            sequence: field(2),
            place: field(3),
            count: field(4),
        };
        assert!(
            value == id.value() && message.time == id.time(),
            "offset {}: altered",
            message.offset
        );
        assert_eq!(
            message.key.as_deref(),
            Some(&id.key().to_le_bytes()[..]),
            "offset {}",
            message.offset
        );
        id
    }
}

/// Publishes a batch.
pub(super) fn publish(
    log: &FileLog,
    life: u64,
    writer: u64,
    sequence: u64,
    count: u64,
) -> duramen::Result<u64> {
    let ids = (0..count).map(|place| Id {
        life,
        writer,
        sequence: sequence + place,
        place,
        count,
    });
    let parts: Vec<_> = ids
        .map(|id| (id.key().to_le_bytes(), id.value(), id.time()))
        .collect();
    let messages: Vec<_> = parts
        .iter()
        .map(|(key, value, time)| NewMessage::new(key, value).time(*time))
        .collect();
    log.publish(&messages)
}
