//! The messages: keys of 10 bytes, values of 128 bytes, and times in bursts, all computed from a
//! message's number.

use std::path::Path;

use duramen::{FileLog, Log as _, NewMessage, Options, Timestamp};

use crate::Outcome;

pub(crate) const KEY_LEN: usize = 10;
pub(crate) const VALUE_LEN: usize = 128;
/// The number of different keys. They are assigned at random, so most messages share their key with
/// others.
pub(crate) const KEY_COUNT: u64 = 100_000;
/// The number of messages per call, in rows that publish or consume many at a time.
pub(crate) const BATCH_COUNT: usize = 64;
/// The rough number of bytes that a message takes on disk, used only for sizing.
pub(crate) const FRAME_LEN: u64 = 160;

/// The sequence of keys repeats after this many messages.
const KEY_CYCLE: u64 = 1_000_000;
const BLOCK_LEN: usize = 64 << 10;
const BURST_COUNT: u64 = 1_000;
const TIME_START: i64 = 1_700_000_000_000_000;

/// How thoroughly a message that was read is compared with the one that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every byte, in the round that warms up.
    Full,
    /// Length and first bytes, in measured rounds, where this costs both sides about a nanosecond.
    Sample,
}

/// A set of messages of one size.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The keys in the order of the messages, so that they are close in memory, like a key that a
    /// publisher has just made.
    keys: Vec<[u8; KEY_LEN]>,
    /// Values are pieces of this pool from many different places. No two neighbours are alike, and
    /// neither side pays for a copy to make one.
    block: Vec<u8>,
    value_len: usize,
}

impl Workload {
    pub(crate) fn new(value_len: usize) -> Workload {
        let block = (0..=(BLOCK_LEN + value_len) as u64 / 8)
            .flat_map(|n| mix(n).to_le_bytes())
            .collect();
        Workload {
            keys: (0..KEY_CYCLE)
                .map(|number| key_text(key_number(number)))
                .collect(),
            block,
            value_len,
        }
    }

    #[inline]
    pub(crate) fn key(&self, number: u64) -> &[u8] {
        &self.keys[(number % KEY_CYCLE) as usize]
    }

    #[inline]
    pub(crate) fn value(&self, number: u64) -> &[u8] {
        let at = (number as usize * 72) % BLOCK_LEN;
        &self.block[at..at + self.value_len]
    }

    #[inline]
    pub(crate) fn message(&self, number: u64) -> NewMessage<'_> {
        NewMessage::new(self.key(number), self.value(number)).time(Timestamp::from_micros(time(number)))
    }

    /// Whether this is the message with this number.
    #[inline]
    pub(crate) fn matches(
        &self,
        check: Check,
        number: u64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> bool {
        let (Some(key), Some(value)) = (key, value) else {
            return false;
        };
        match check {
            Check::Full => key == self.key(number) && value == self.value(number),
            Check::Sample => {
                key.len() == KEY_LEN
                    && value.len() == self.value_len
                    && value.first_chunk::<8>() == self.value(number).first_chunk::<8>()
            }
        }
    }

    /// The last message of each key among the first `messages`, by the key's number.
    pub(crate) fn last_by_key(messages: u64) -> Vec<Option<u64>> {
        let mut last = vec![None; KEY_COUNT as usize];
        for number in 0..messages {
            last[key_number(number) as usize] = Some(number);
        }
        last
    }

    /// Publishes the first `messages` in batches and closes the log.
    pub(crate) fn build(&self, dir: &Path, options: &Options, messages: u64) -> Outcome {
        let log = options.clone().create_dirs(true).open(dir)?;
        self.publish(&log, 0..messages)?;
        log.close()?;
        Ok(())
    }

    /// Publishes the messages with these numbers in batches. The numbers must become their offsets.
    pub(crate) fn publish(&self, log: &FileLog, numbers: std::ops::Range<u64>) -> Outcome {
        let mut batch = Vec::with_capacity(BATCH_COUNT);
        let mut number = numbers.start;
        while number < numbers.end {
            let end = numbers.end.min(number + BATCH_COUNT as u64);
            batch.clear();
            batch.extend((number..end).map(|number| self.message(number)));
            ensure(
                log.publish(&batch)? == end,
                "a batch got other offsets than expected",
            )?;
            number = end;
        }
        Ok(())
    }
}

/// The number of the message's key.
fn key_number(number: u64) -> u64 {
    mix(number % KEY_CYCLE) % KEY_COUNT
}

/// The text of the key with this number. No message has a key with a number from [`KEY_COUNT`] on.
pub(crate) fn key_text(number: u64) -> [u8; KEY_LEN] {
    let mut text = [b'0'; KEY_LEN];
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// The time of a message. Times come in bursts of a thousand, each with its own pace, with pauses
/// between them, and slow down over all. A search that assumes even spacing gains little.
#[inline]
pub(crate) fn time(number: u64) -> i64 {
    let (burst, within) = (number / BURST_COUNT, number % BURST_COUNT);
    let chance = mix(burst);
    let start = burst * 1_000_000 + burst * burst * 100 + chance % 500_000;
    let pace = 1 + (chance >> 32) % 400;
    TIME_START + (start + within * pace).cast_signed()
}

/// A hash of `number` (the finaliser of splitmix64).
#[inline]
pub(crate) fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Fails the run unless the condition holds.
#[inline]
pub(crate) fn ensure(holds: bool, otherwise: &'static str) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
