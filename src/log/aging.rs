//! What retention by age may remove in the passes that nobody asks for: not more than time has
//! passed, whatever the wall clock does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Clock;
use super::retention::{Age, Retention};

/// How long retention waits before it removes more than half of a log that was just opened.
const WAIT: Duration = Duration::from_secs(60);
/// Stands for a time that never comes, where the true one cannot be represented.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);
/// How often the limits are looked at, at the most and at the least.
const PERIOD_MIN: Duration = Duration::from_secs(1);
const PERIOD_MAX: Duration = Duration::from_secs(60);
/// For how many parts of the age the log notes what it had published by then, at least. There are
/// at most twice as many notes.
const NOTES: u32 = 64;
/// Something is old a moment after its age.
const TICK: Duration = Duration::from_micros(1);

/// Both clocks, read together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The wall clock, in microseconds.
    pub(crate) wall: i64,
    pub(crate) monotonic: Instant,
}

impl Moment {
    pub(crate) fn of(clock: &dyn Clock) -> Moment {
        Moment {
            wall: clock.now().as_micros(),
            monotonic: clock.monotonic(),
        }
    }
}

/// Which times are old.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    pub(crate) now: i64,
    /// What is before this is old.
    pub(crate) oldest: i64,
    /// Whether the times that messages claim count.
    pub(crate) by_event_time: bool,
}

impl Horizon {
    /// What is older than `age` at `now` by the wall clock.
    pub(crate) fn at(now: i64, age: Duration, by_event_time: bool) -> Horizon {
        Horizon {
            now,
            oldest: now.saturating_sub(micros(age)),
            by_event_time,
        }
    }

    /// The age of what happened at `time` by the clock. A clock that was ahead then tells nothing.
    pub(crate) fn age_of(&self, time: i64) -> Age {
        if time > self.now {
            Age::Unknown
        } else if time >= self.oldest {
            Age::Young
        } else {
            Age::Old
        }
    }

    /// The age of a message with this time, which may be by the clock or claimed.
    pub(crate) fn age_of_message(&self, time: i64, by_clock: bool) -> Age {
        if by_clock || self.by_event_time {
            self.age_of(time)
        } else {
            Age::Unknown
        }
    }

    /// Whether all times by the clock in a segment are old, by what the next one says of it; false
    /// if that is not known.
    pub(crate) fn are_clocks_old(&self, latest: u32) -> bool {
        latest == 0 || (latest < u32::MAX && i64::from(latest) * 1_000_000 < self.oldest)
    }

    /// The latest time at which a segment was created whose header says `created`, in seconds;
    /// `None` if that is not known, or ahead of now.
    pub(crate) fn latest_creation(&self, created: u32) -> Option<i64> {
        let second = i64::from(created) * 1_000_000;
        let is_known = is_creation_known(created) && second <= self.now;
        is_known.then(|| (second + 999_999).min(self.now))
    }
}

/// The creation time, in seconds, of a segment that is begun at this time in microseconds.
pub(crate) fn creation_time(now: i64) -> u32 {
    u32::try_from(now.div_euclid(1_000_000).max(0)).unwrap_or(u32::MAX)
}

/// Whether this is a creation time, and not one of the two numbers that stand for the times before
/// 1970 and after 2106, which do not fit.
pub(crate) fn is_creation_known(created: u32) -> bool {
    created > 0 && created < u32::MAX
}

/// How a segment's header says what the latest time by the clock was in the segment before it:
/// `None` if that is not known, the earliest time there is if no message had one.
pub(crate) fn latest_clock(max: Option<i64>) -> u32 {
    match max {
        None => u32::MAX,
        Some(i64::MIN) => 0,
        Some(max) => creation_time(max.saturating_add(999_999)).max(1),
    }
}

/// What a pass over the log found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstYoung {
    /// Everything below this offset is old.
    pub(crate) offset: u64,
    /// The time from which on it is old as well, if that is known.
    pub(crate) time: Option<i64>,
}

/// Whether a pass may remove what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Go,
    /// Not yet.
    Wait,
    /// Not yet, and somebody is to be told that it waits for so long.
    Announce(Duration),
}

/// The memory of the passes over one log.
///
/// 1. From one pass to the next, the time before which everything is old moves no further than the
///    monotonic clock. So a step of the wall clock makes nothing due.
/// 2. What was published in this life is old when the monotonic clock says so, and not before,
///    whatever the wall clock says. So a step of the wall clock keeps nothing for good either. Only
///    where in between two notes a message was published, the wall clock has to tell.
/// 3. Before the first pass, only the wall clock can say how much time has passed. If by that more
///    than half of the log goes, the pass is made a second time, a minute later.
#[derive(Debug, Default)]
pub(crate) struct Aging {
    /// When the last pass was, and before which time everything was old then.
    last: Option<(Instant, i64)>,
    /// What had been published by when: offsets and times, both ascending.
    published: VecDeque<(Instant, u64)>,
    /// Until when the first pass waits.
    waits_until: Option<Instant>,
    /// Whether a pass was made that did not have to wait.
    is_settled: bool,
    /// Nothing more is old before this.
    due: Option<Instant>,
    /// The next offset when the limits were last applied.
    applied_at: Option<u64>,
    /// The next offset when it was last looked at.
    seen: u64,
    /// Everything below this was old at the last pass.
    young: u64,
    /// Everything below this was older than the age by the monotonic clock, at a pass that has not
    /// removed all of it.
    old_to: u64,
}

impl Aging {
    /// Of a log that begins now, without messages.
    pub(crate) fn of_new_log(policy: &Retention, now: &Moment) -> Aging {
        let age = policy.age.unwrap_or_default();
        Aging {
            last: Some((now.monotonic, Horizon::at(now.wall, age, false).oldest)),
            published: VecDeque::from([(now.monotonic, 0)]),
            is_settled: true,
            ..Aging::default()
        }
    }

    /// Other limits hold from now on. What was published by when is as true as before.
    pub(crate) fn change_limits(&mut self) {
        *self = Aging {
            published: std::mem::take(&mut self.published),
            seen: self.seen,
            ..Aging::default()
        };
    }

    /// More may be removed than a moment ago.
    pub(crate) fn look_again(&mut self) {
        self.due = None;
        self.applied_at = None;
    }

    /// How often to look whether anything is [due](Aging::is_due).
    pub(crate) fn period(policy: &Retention) -> Duration {
        let age = policy.age.unwrap_or(Duration::MAX);
        (age / 16).clamp(PERIOD_MIN, PERIOD_MAX)
    }

    /// Notes that this is the next offset now.
    pub(crate) fn note(&mut self, policy: &Retention, now: Instant, next_offset: u64) {
        self.seen = next_offset;
        let Some(age) = policy.age.filter(|_| !policy.by_event_time) else {
            return;
        };
        let last = self.published.back();
        if last.is_some_and(|(_, offset)| *offset >= next_offset) {
            return;
        }
        // Of three notes, the first and the last are so far apart. What is told less exactly is
        // still true.
        let before = self
            .published
            .len()
            .checked_sub(2)
            .map(|index| self.published[index]);
        let is_crowded = before.is_some_and(|(noted, _)| now.saturating_duration_since(noted) < age / NOTES);
        if is_crowded {
            self.published.pop_back();
        }
        self.published.push_back((now, next_offset));
    }

    /// Whether a pass may find anything to remove.
    pub(crate) fn is_due(&self, policy: &Retention, now: Instant, next_offset: u64) -> bool {
        self.is_count_due(policy, next_offset) || (policy.age.is_some() && self.is_age_due(now))
    }

    fn is_count_due(&self, policy: &Retention, next_offset: u64) -> bool {
        let has_grown = self.applied_at.is_none_or(|offset| offset < next_offset);
        has_grown && (policy.bytes.is_some() || policy.messages.is_some())
    }

    /// From when on a pass may find anything to remove if nothing is published meanwhile; `None` if
    /// none ever does.
    pub(crate) fn due_if_left_alone(&self, policy: &Retention, now: Instant) -> Option<Instant> {
        if self.is_count_due(policy, self.seen) {
            return Some(now);
        }
        let age = policy.age?;
        let Some(due) = self.due else {
            return Some(now);
        };
        // Of what was published since the last pass, the notes tell. While the log was open, it was
        // noted once in a period how far it had come.
        let mut notes = self.published.iter();
        let first = notes.find(|(_, offset)| *offset > self.young);
        let proven = first.map(|(time, _)| later(later(*time, age), TICK));
        Some(proven.map_or(due, |proven| due.max(proven)))
    }

    pub(crate) fn is_age_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// What is old now, in a pass that nobody asked for.
    pub(crate) fn horizon(&self, now: &Moment, age: Duration, by_event_time: bool) -> Horizon {
        let mut horizon = Horizon::at(now.wall, age, by_event_time);
        if let Some((last, oldest)) = self.last {
            let passed = micros(now.monotonic.saturating_duration_since(last));
            horizon.oldest = horizon.oldest.min(oldest.saturating_add(passed));
        }
        horizon
    }

    /// The offset below which everything is older than `age`, by the monotonic clock.
    pub(crate) fn proven(&self, now: Instant, age: Duration) -> u64 {
        self.split(now, age).0
    }

    /// `young`, or the offset from which on everything is younger than `age` by the monotonic
    /// clock, if that is less; and not below the offset below which everything is older.
    pub(crate) fn limited(&self, young: FirstYoung, now: Instant, age: Duration) -> FirstYoung {
        let (old, unripe) = self.split(now, age);
        let offset = young.offset.min(unripe).max(old);
        let time = young.time.filter(|_| offset == young.offset);
        FirstYoung { offset, time }
    }

    /// The offset below which everything is older than `age` by the monotonic clock, and the one
    /// from which on everything is younger. What was published before this life is in between.
    fn split(&self, now: Instant, age: Duration) -> (u64, u64) {
        let is_old = |(time, _): &(Instant, u64)| now.saturating_duration_since(*time) > age;
        let behind = self.published.partition_point(is_old);
        let offset = |index: usize| self.published.get(index).map(|(_, offset)| *offset);
        let old = behind.checked_sub(1).and_then(offset);
        (
            old.unwrap_or(0).max(self.old_to),
            offset(behind).unwrap_or(u64::MAX),
        )
    }

    /// Whether a pass may remove `gone` messages of `all`.
    pub(crate) fn judge(&mut self, now: Instant, gone: u64, all: u64) -> Leave {
        let is_over = self.waits_until.is_some_and(|until| until <= now);
        if self.is_settled || is_over || gone <= all / 2 {
            self.is_settled = true;
            return Leave::Go;
        }
        if self.waits_until.is_some() {
            return Leave::Wait;
        }
        self.waits_until = Some(later(now, WAIT));
        Leave::Announce(WAIT)
    }

    /// Notes that a pass with this horizon is over, and that everything below `young` is old. The
    /// log begins there now, or keeps what is in front of it for its readers.
    pub(crate) fn passed(&mut self, now: &Moment, age: Duration, horizon: &Horizon, young: &FirstYoung) {
        let now = now.monotonic;
        self.last = Some((now, horizon.oldest));
        let is_over = |(time, offset): &(Instant, u64)| {
            now.saturating_duration_since(*time) > age && *offset <= young.offset
        };
        while self.published.front().is_some_and(is_over) {
            let front = self.published.pop_front();
            self.old_to = front.map_or(self.old_to, |(_, offset)| self.old_to.max(offset));
        }
        let mut due = later(now, age);
        if let Some((time, _)) = self.published.front() {
            due = due.min(later(*time, age));
        }
        if let Some(time) = young.time {
            let left = time.saturating_sub(horizon.oldest).max(0).unsigned_abs();
            due = due.min(later(now, Duration::from_micros(left)));
        }
        if let Some(until) = self.waits_until.filter(|_| !self.is_settled) {
            due = due.min(until);
        }
        // One more, so that it is not the moment at which the message is exactly as old.
        self.due = Some(later(due, TICK));
        self.young = young.offset;
    }

    /// Notes that all limits were applied when this was the next offset.
    pub(crate) fn applied(&mut self, next_offset: u64) {
        self.applied_at = Some(next_offset);
    }
}

fn later(time: Instant, by: Duration) -> Instant {
    time.checked_add(by).unwrap_or_else(|| time + FAR)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
