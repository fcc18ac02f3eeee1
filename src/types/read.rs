use std::fmt;
use std::sync::Arc;

use super::{ControlRecord, Message, MessageRef, Place, Timestamp};

/// What one [`Log::read`](crate::Log::read) returns, and where it ends.
///
/// ```
/// use duramen::{Filter, Log, MemoryLog, NewMessage, ReadOptions, Start, Stop};
///
/// # fn main() -> duramen::Result<()> {
/// let log = MemoryLog::new();
/// for number in [b"0", b"1", b"2", b"3"] {
///     log.publish(&[NewMessage::new(number, b"value")])?;
/// }
/// let batch = log.read(Start::Oldest, &ReadOptions::new().until_offset(3).max_count(2))?;
/// assert_eq!((batch.messages.len(), batch.next_offset, batch.stopped), (2, 2, Stop::Count));
/// let batch = log.read(Start::At(2), &ReadOptions::new().filter(Filter::key(b"3")))?;
/// assert_eq!((batch.messages[0].offset, batch.stopped), (3, Stop::AtEnd));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ReadOptions {
    pub(crate) max_count: usize,
    pub(crate) max_bytes: u64,
    pub(crate) until_offset: Option<u64>,
    pub(crate) until_time: Option<Timestamp>,
    pub(crate) clamp: bool,
    pub(crate) control: bool,
    pub(crate) filter: Filter,
}

impl ReadOptions {
    /// No limit and no filter.
    pub const fn new() -> ReadOptions {
        ReadOptions {
            max_count: usize::MAX,
            max_bytes: u64::MAX,
            until_offset: None,
            until_time: None,
            clamp: false,
            control: false,
            filter: Filter(Test::Any),
        }
    }

    /// At most so many messages and, if they are asked for, control records together. With 0 the
    /// batch is empty and nothing else is looked at: reading from `At(o)`, its `next_offset` is
    /// `o`, even outside the log and with [`clamp`](ReadOptions::clamp).
    pub fn max_count(mut self, count: usize) -> ReadOptions {
        self.max_count = count;
        self
    }

    /// At most so many bytes, by [`metered_size`](crate::metered_size); a control record counts 8
    /// and its content. This is strict: if the first message is larger, the batch is empty, with
    /// [`Stop::Bytes`] and the `next_offset` of that message, so go on with a larger limit. With 0
    /// the batch is empty and nothing else is looked at, as for
    /// [`max_count`](ReadOptions::max_count).
    pub fn max_bytes(mut self, bytes: u64) -> ReadOptions {
        self.max_bytes = bytes;
        self
    }

    /// Only what is in front of this offset.
    pub fn until_offset(mut self, offset: u64) -> ReadOptions {
        self.until_offset = Some(offset);
        self
    }

    /// Only what is in front of the first message at or after this time, or control record if
    /// these are shown, whether or not a filter leaves it out. Reading from
    /// [`Start::Time`](crate::Start::Time) at or after it fails with
    /// [`Error::Invalid`](crate::Error::Invalid).
    pub fn until_time(mut self, time: Timestamp) -> ReadOptions {
        self.until_time = Some(time);
        self
    }

    /// Begin at the log's end, instead of failing, when the start is beyond it.
    pub fn clamp(mut self, clamp: bool) -> ReadOptions {
        self.clamp = clamp;
        self
    }

    /// Show control records too, in [`ReadBatch::controls`].
    pub fn control(mut self, control: bool) -> ReadOptions {
        self.control = control;
        self
    }

    /// Only messages that pass this filter. What it leaves out counts towards no limit, and the
    /// batch's `next_offset` moves past it. Control records are not filtered.
    pub fn filter(mut self, filter: Filter) -> ReadOptions {
        self.filter = filter;
        self
    }
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions::new()
    }
}

/// The result of [`Log::read`](crate::Log::read).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadBatch {
    /// The messages, in offset order.
    pub messages: Vec<Message>,
    /// The control records, in offset order, if they were asked for.
    pub controls: Vec<ControlRecord>,
    /// The offset at which to go on: everything in front of it has been read or left out.
    pub next_offset: u64,
    /// The log's end, looked up when reading began or later.
    pub tail: Place,
    /// Why the batch has no more.
    pub stopped: Stop,
}

impl ReadBatch {
    /// A batch without control records. For implementations of [`Log`](crate::Log).
    #[must_use]
    pub const fn new(messages: Vec<Message>, next_offset: u64, tail: Place, stopped: Stop) -> ReadBatch {
        ReadBatch {
            messages,
            controls: Vec::new(),
            next_offset,
            tail,
            stopped,
        }
    }
}

/// Why a [`ReadBatch`] ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// The log has no more yet.
    AtEnd,
    /// At [`ReadOptions::max_count`].
    Count,
    /// At [`ReadOptions::max_bytes`]: what comes next does not fit.
    Bytes,
    /// At [`ReadOptions::until_offset`] or [`ReadOptions::until_time`].
    Until,
    /// The call has read as much as one call does, about 8 MiB, or has met damage, or a trim,
    /// behind what it returns. Read on from the batch's `next_offset`.
    More,
    /// The log is sealed, and this is its end.
    Sealed,
}

/// Which messages a [`read`](crate::Log::read) returns.
#[derive(Clone, Debug, Default)]
pub struct Filter(Test);

#[derive(Clone, Default)]
enum Test {
    #[default]
    Any,
    Header(Arc<[u8]>, Arc<[Vec<u8>]>),
    Key(Arc<[u8]>),
    Matching(Arc<dyn Fn(&MessageRef<'_>) -> bool + Send + Sync>),
}

impl Filter {
    /// Every message passes.
    #[must_use]
    pub const fn any() -> Filter {
        Filter(Test::Any)
    }

    /// Messages with a header of this name and value pass.
    #[must_use]
    pub fn header(name: &[u8], value: &[u8]) -> Filter {
        Filter::header_in(name, [value])
    }

    /// Messages with a header of this name and one of these values pass.
    #[must_use]
    pub fn header_in<'v>(name: &[u8], values: impl IntoIterator<Item = &'v [u8]>) -> Filter {
        let values = values.into_iter().map(<[u8]>::to_vec).collect();
        Filter(Test::Header(Arc::from(name), values))
    }

    /// Whether no message can pass, because no value is named.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.0, Test::Header(_, values) if values.is_empty())
    }

    /// Messages with exactly this key pass.
    #[must_use]
    pub fn key(key: &[u8]) -> Filter {
        Filter(Test::Key(Arc::from(key)))
    }

    /// Messages for which the function returns true pass. It must not use the log, and should
    /// return soon.
    #[must_use]
    pub fn matching(test: Arc<dyn Fn(&MessageRef<'_>) -> bool + Send + Sync>) -> Filter {
        Filter(Test::Matching(test))
    }

    /// Whether the message passes. For implementations of [`Log`](crate::Log).
    #[must_use]
    pub fn passes(&self, message: &MessageRef<'_>) -> bool {
        match &self.0 {
            Test::Any => true,
            Test::Header(wanted, values) => message
                .headers()
                .any(|(name, value)| *name == **wanted && values.iter().any(|one| one == value)),
            Test::Key(key) => message.key == Some(&**key),
            Test::Matching(test) => test(message),
        }
    }

    /// Whether every message passes.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self.0, Test::Any)
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        match self {
            Test::Any => f.write_str("any"),
            Test::Header(name, values) => {
                let values: Vec<_> = values.iter().map(|value| text(value)).collect();
                write!(f, "header {} in {values:?}", text(name))
            }
            Test::Key(key) => write!(f, "key {}", text(key)),
            Test::Matching(_) => f.write_str("matching"),
        }
    }
}
