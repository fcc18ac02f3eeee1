use duramen::{Message, NewMessage, Timestamp};

use super::args::Args;

/// The size of the pool that values are cut from. It exceeds the nearest caches, so that values do
/// not stay in them.
const POOL_SIZE: usize = 1 << 20;

/// The time of the first message. Message n is n microseconds later.
const FIRST_TIME_US: i64 = 1_700_000_000_000_000;

/// The messages to publish. Message n is the same in every run, and making it does not allocate.
pub(crate) struct Workload {
    pub(crate) messages: u64,
    pub(crate) gets: u64,
    pub(crate) batch_len: usize,
    pub(crate) threads: usize,
    value_size: usize,
    key_size: usize,
    /// The keys, one after another.
    keys: Vec<u8>,
    pool: Vec<u8>,
}

impl Workload {
    pub(crate) fn new(args: &Args) -> Workload {
        // Keys are decimal numbers with leading zeros.
        let digits = u32::try_from(args.key_size).unwrap_or(u32::MAX);
        let key_count = args
            .keys
            .get()
            .min(args.messages.get())
            .min(10_u64.saturating_pow(digits));
        let keys = if args.key_size == 0 {
            Vec::new()
        } else {
            let key = |i| format!("{i:0width$}", width = args.key_size).into_bytes();
            (0..key_count).flat_map(key).collect()
        };
        let mut random = Random::new(1);
        let mut pool = vec![0; POOL_SIZE + args.value_size];
        pool.fill_with(|| random.next().to_le_bytes()[7]);
        Workload {
            messages: args.messages.get(),
            gets: args.get_count(),
            batch_len: args.batch.get(),
            threads: args.threads.get(),
            value_size: args.value_size,
            key_size: args.key_size,
            keys,
            pool,
        }
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.key_size > 0
    }

    /// The message with this number.
    pub(crate) fn message(&self, number: u64) -> NewMessage<'_> {
        NewMessage {
            time: Some(Workload::time(number)),
            key: self.key(number),
            value: Some(self.value(number)),
            headers: &[],
        }
    }

    pub(crate) fn time(number: u64) -> Timestamp {
        let after = i64::try_from(number).unwrap_or(i64::MAX);
        Timestamp::from_micros(FIRST_TIME_US.saturating_add(after))
    }

    pub(crate) fn key(&self, number: u64) -> Option<&[u8]> {
        let count = self.keys.len().checked_div(self.key_size)?;
        let begin = below(scatter(number), count) * self.key_size;
        self.keys.get(begin..begin + self.key_size)
    }

    fn value(&self, number: u64) -> &[u8] {
        let begin = below(scatter(!number), POOL_SIZE);
        self.pool.get(begin..begin + self.value_size).unwrap_or_default()
    }

    /// The number of `message`, which follows from its time; `None` if it is not a message of this
    /// workload.
    pub(crate) fn number_of(&self, message: &Message) -> Option<u64> {
        let number = u64::try_from(message.time.as_micros().checked_sub(FIRST_TIME_US)?).ok()?;
        (number < self.messages && message.as_new() == self.message(number)).then_some(number)
    }
}

/// Scales a number of the whole range to `0..limit`; 0 for a limit of 0.
fn below(number: u64, limit: usize) -> usize {
    let scaled = (u128::from(number) * limit as u128) >> 64;
    usize::try_from(scaled).unwrap_or_default()
}

/// Spreads numbers over the whole range: the finalizer of Sebastiano Vigna's `SplitMix64`.
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random number generator with the same sequence in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed << 32)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        scatter(self.0)
    }

    /// A number in `0..limit`; 0 for a limit of 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(limit)) >> 64;
        u64::try_from(scaled).unwrap_or_default()
    }
}
