//! Reading a log in steps.

use duramen::{Control, ControlRecord, Log, Message, ReadOptions, Start, Stop, Timestamp, metered_size};

use crate::failure::Failure;
use crate::header::{self, Header};

/// The number of records requested at a time.
const BATCH_LEN_MAX: u64 = 4096;

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) from: Start,
    pub(crate) count_max: Option<u64>,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) until_offset: Option<u64>,
    pub(crate) until_time: Option<Timestamp>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header],
    pub(crate) control: bool,
}

impl<'a> Wanted<'a> {
    /// The key, if the key index leads to all that is wanted.
    fn key_alone(&self) -> Option<&'a [u8]> {
        let is_alone = self.bytes_max.is_none()
            && self.until_offset.is_none()
            && self.until_time.is_none()
            && self.headers.is_empty()
            && !self.control;
        self.key.filter(|_| is_alone)
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::new()
            .control(self.control)
            .filter(header::filter(self.headers, self.key));
        if let Some(offset) = self.until_offset {
            options = options.until_offset(offset);
        }
        if let Some(time) = self.until_time {
            options = options.until_time(time);
        }
        options
    }
}

/// What was read at once.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Message>,
    pub(crate) controls: Vec<ControlRecord>,
}

impl Found {
    pub(crate) fn count(&self) -> u64 {
        (self.messages.len() + self.controls.len()) as u64
    }

    /// The offset behind the last of them, if there is any.
    pub(crate) fn next_offset(&self) -> Option<u64> {
        let messages = self.messages.last().map(|message| message.offset + 1);
        let controls = self.controls.last().map(|record| record.offset + 1);
        messages.max(controls)
    }

    /// The sum of the metered sizes.
    fn size(&self) -> u64 {
        let messages = self
            .messages
            .iter()
            .map(|message| metered_size(&message.as_new()));
        messages.chain(self.controls.iter().map(control_size)).sum()
    }
}

/// The metered size of a control record. Of one that is not known, it is the least.
fn control_size(record: &ControlRecord) -> u64 {
    let content = match record.control {
        Some(Control::Fence(token)) => token.as_str().len() as u64,
        Some(Control::Trim(_)) => 8,
        _ => 0,
    };
    8 + 1 + content
}

/// How much is still to be read, from however many logs.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The number of records.
    left: u64,
    /// Their size, if it is limited.
    bytes_left: Option<u64>,
    /// Whether the next record was too large for the rest.
    is_spent: bool,
}

impl Budget {
    pub(crate) fn of(wanted: &Wanted<'_>) -> Budget {
        Budget {
            left: wanted.count_max.unwrap_or(u64::MAX),
            bytes_left: wanted.bytes_max,
            is_spent: false,
        }
    }

    /// Whether nothing more is to be read.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent || self.left == 0
    }

    fn spend(&mut self, found: &Found) {
        self.left -= found.count();
        if let Some(left) = &mut self.bytes_left {
            *left = left.saturating_sub(found.size());
        }
    }
}

/// Reads records of a log from a position on, up to a limit.
pub(crate) struct Reader<'a> {
    wanted: Wanted<'a>,
    options: ReadOptions,
    from: Start,
    /// Whether everything that comes later is not wanted.
    is_over: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(wanted: Wanted<'a>) -> Reader<'a> {
        Reader {
            wanted,
            options: wanted.options(),
            from: wanted.from,
            is_over: false,
        }
    }

    /// Where the next read begins.
    pub(crate) fn from(&self) -> Start {
        self.from
    }

    /// Begins the next read elsewhere.
    pub(crate) fn go_on(&mut self, from: Start) {
        self.from = from;
    }

    /// Whether a limit is reached, or the end of a sealed log.
    pub(crate) fn is_done(&self, budget: &Budget) -> bool {
        self.is_over || budget.is_spent()
    }

    /// An upper bound of the records to read, if one is known.
    pub(crate) fn count_max(&self, log: &impl Log, budget: &Budget) -> Result<Option<u64>, Failure> {
        if self.wanted.key.is_some() || !self.wanted.headers.is_empty() {
            return Ok(None);
        }
        let begin = log.consume(self.from, 0)?.next_offset;
        let end = log
            .next_offset()?
            .min(self.wanted.until_offset.unwrap_or(u64::MAX));
        Ok(Some(end.saturating_sub(begin).min(budget.left)))
    }

    /// Reads the next records, perhaps none. Returns `None` at the end of the log or at a limit.
    pub(crate) fn read(&mut self, log: &impl Log, budget: &mut Budget) -> Result<Option<Found>, Failure> {
        if self.is_done(budget) {
            return Ok(None);
        }
        let count_max = usize::try_from(budget.left.min(BATCH_LEN_MAX)).unwrap_or(usize::MAX);
        let (found, is_end) = match self.wanted.key_alone() {
            Some(key) => self.read_by_key(log, key, count_max)?,
            None => self.read_on(log, count_max, budget)?,
        };
        budget.spend(&found);
        Ok((!is_end || found.count() > 0).then_some(found))
    }

    /// Reads messages with the key, and says whether they are the last.
    fn read_by_key(
        &mut self,
        log: &impl Log,
        key: &[u8],
        count_max: usize,
    ) -> Result<(Found, bool), Failure> {
        // In this order: behind a seal, nothing is published any more.
        let is_sealed = log.is_sealed()?;
        let batch = log.consume_by_key(key, self.from, count_max)?;
        // Only at the end of the log does an empty batch return the offset that was asked for.
        let is_end = batch.messages.is_empty() && self.from == Start::At(batch.next_offset);
        self.from = Start::At(batch.next_offset);
        self.is_over = is_end && is_sealed;
        let found = Found {
            messages: batch.messages,
            controls: Vec::new(),
        };
        Ok((found, is_end))
    }

    /// Reads what comes next, and says whether it is the last.
    fn read_on(
        &mut self,
        log: &impl Log,
        count_max: usize,
        budget: &mut Budget,
    ) -> Result<(Found, bool), Failure> {
        let mut options = self.options.clone().max_count(count_max);
        if let Some(left) = budget.bytes_left {
            options = options.max_bytes(left);
        }
        let batch = log.read(self.from, &options)?;
        self.from = Start::At(batch.next_offset);
        self.is_over = matches!(batch.stopped, Stop::Until | Stop::Sealed);
        budget.is_spent = batch.stopped == Stop::Bytes;
        let is_end = self.is_over || budget.is_spent || batch.stopped == Stop::AtEnd;
        let found = Found {
            messages: batch.messages,
            controls: batch.controls,
        };
        Ok((found, is_end))
    }
}
