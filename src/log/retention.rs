use std::time::Duration;

/// Which messages a log keeps: all of them, unless limits are set. A message is removed when it
/// exceeds any of the limits.
///
/// The log applies the limits when it is opened, soon after it begins a segment, and by time: it
/// looks every sixteenth of [`max_age`](Retention::max_age), but not more often than once a second
/// nor less often than once a minute. It does so on the background thread. Without
/// [that](crate::Options::background) it does so where it is opened and where a segment is begun,
/// but not by time. A [`MemoryLog`](crate::MemoryLog) does so when it is next used. So a log may
/// exceed its limits for a while. [`Log::apply_retention`](crate::Log::apply_retention) applies
/// them at once. For readers each limit is exact: the start offset moves to the first message that
/// is kept. Storage is freed by whole segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: Option<u64>,
    pub(crate) messages: Option<u64>,
    pub(crate) by_event_time: bool,
    pub(crate) lag_max: Option<u64>,
}

impl Retention {
    /// A policy without limits.
    pub fn new() -> Retention {
        Retention::default()
    }

    /// Keep messages for this long after they were published.
    ///
    /// The age counts by the log's own [clock](crate::Options::clock), not by times that messages
    /// claim, unless [`by_event_time`](Retention::by_event_time) asks for that. For a message
    /// published without a time, the log knows exactly when that was. A message published with a
    /// time counts as published when something of a known time happened after it: a message without
    /// a time was published, or a segment begun. So it never goes too early. So that it does not go
    /// too late, the log also leaves a segment behind that it has written to for an eighth of the
    /// age, or for a minute if that is more. That is how late it can be. If the log was closed
    /// meanwhile, it may stay for the age once more when the log is opened again. A
    /// [`MemoryLog`](crate::MemoryLog) knows the exact time of every message.
    ///
    /// # Steps of the clock
    ///
    /// - While the log is open, a step of the wall clock removes nothing: from one look of the log
    ///   to the next, messages grow older only by the time that has passed on the
    ///   [monotonic clock](crate::Clock::monotonic). And messages published in that time are
    ///   removed by it, if the wall clock does not say so. Time in which the machine sleeps does
    ///   not count if the monotonic clock does not count it.
    /// - From one opening to the next, a step cannot be told from time that has passed. If at first
    ///   more than half of the messages are too old, the log waits a minute, tells
    ///   [`Event::RetentionWaits`](crate::Event::RetentionWaits), and removes them if the clock
    ///   still says so. A program that has its logs open for less than a minute calls
    ///   [`Log::apply_retention`](crate::Log::apply_retention).
    /// - Times ahead of the clock count as now, and for less if something later has a time that is
    ///   not. So a clock that was ahead once keeps nothing for good.
    /// - If the clock goes back, nothing is removed until it is known again to be old enough.
    ///
    /// `apply_retention` is asked for, so it neither waits nor looks at the monotonic clock: it
    /// removes what the wall clock says.
    pub fn max_age(mut self, age: Duration) -> Retention {
        self.age = Some(age);
        self
    }

    /// Keep as many of the newest messages as take at most `bytes` bytes in their segments.
    pub fn max_bytes(mut self, bytes: u64) -> Retention {
        self.bytes = Some(bytes);
        self
    }

    /// Keep this many of the newest messages.
    pub fn max_messages(mut self, messages: u64) -> Retention {
        self.messages = Some(messages);
        self
    }

    /// Let [`max_age`](Retention::max_age) go by the times of the messages. Default: false; it goes
    /// by the times at which they were published.
    ///
    /// The log then begins at the first message that is at most so old by its own time. Messages
    /// behind it are kept even if they are older. A message with a time in the future counts as old
    /// as the next one whose time is not, so it keeps nothing else. A publisher whose clock is
    /// behind can have its messages removed as soon as they are published. A time index makes this
    /// cheap. [`trim::by_age`](crate::trim::by_age) has the same rule.
    pub fn by_event_time(mut self, by_event_time: bool) -> Retention {
        self.by_event_time = by_event_time;
        self
    }

    /// Keep what somebody has yet to read, though it exceeds a limit: the messages at and above the
    /// [floor](crate::Options::retention_floor), which is 0 until it is set. Of these, the ones
    /// that are more than `lag_max` offsets behind the end of the log go all the same, and
    /// [`Event::RetentionOverrun`](crate::Event::RetentionOverrun) tells. With [`u64::MAX`] the log
    /// keeps whatever was not read, until the disk is full. Default: who has read what does not
    /// matter.
    ///
    /// Only retention looks at the floor. [`trim`](crate::Log::trim) and
    /// [`delete`](crate::Log::delete) remove what they are told to.
    pub fn keep_unread(mut self, lag_max: u64) -> Retention {
        self.lag_max = Some(lag_max);
        self
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.age.is_some() || self.bytes.is_some() || self.messages.is_some()
    }

    /// How long a segment is written to, at most, before it is left behind: retention by age frees
    /// whole segments, and knows about a message whose time is claimed only that it is not younger
    /// than the next segment. `None` without a limit by age.
    pub(crate) fn segment_age_max(&self) -> Option<Duration> {
        const LEAST: Duration = Duration::from_secs(60);
        self.age.map(|age| (age / 8).max(LEAST))
    }
}

/// The age of a message against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Old,
    Young,
    Unknown,
}

/// Finds the first message to keep among messages shown in order. A message of unknown age is as
/// old as the next one whose age is known. So it is not removed too early, and it does not keep
/// older messages in front of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AgeCut {
    /// The first message of unknown age after the last old one.
    unknown: Option<u64>,
}

impl AgeCut {
    /// Takes the next message, and returns the cut once it is found.
    pub(crate) fn see(&mut self, offset: u64, age: Age) -> Option<u64> {
        match age {
            Age::Old => self.unknown = None,
            Age::Unknown => {
                self.unknown.get_or_insert(offset);
            }
            Age::Young => return self.unknown.or(Some(offset)),
        }
        None
    }

    /// Whether there are messages of unknown age whose age the next one decides.
    pub(crate) fn is_open(&self) -> bool {
        self.unknown.is_some()
    }

    /// The cut when no more messages follow. `None` if no message shown is to be kept.
    pub(crate) fn end(self) -> Option<u64> {
        self.unknown
    }
}
