use std::sync::Arc;

use crate::{Log, ManualClock, Options, Timestamp, TimestampPolicy};

/// Makes a new, empty log as the [`Setup`] asks for it.
///
/// If a log needs a directory or other resources that must live as long as it, wrap it together
/// with them.
pub type Factory<'a> = &'a dyn Fn(Setup) -> Box<dyn Log>;

/// The log that a [`Case`] needs: its indexes, and how it takes messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setup {
    /// The log has a key index if and only if this is set.
    pub key_index: bool,
    /// The log has a time index if and only if this is set.
    pub time_index: bool,
    /// The log [requires a token](Options::require_token) if and only if this is set.
    pub require_token: bool,
    /// Which times messages get.
    pub timestamps: TimestampPolicy,
    /// The time that the log's clock stands still at; `None` for the system's clock.
    pub clock: Option<Timestamp>,
}

impl Setup {
    /// [`Options`] for such a log.
    pub fn options(self) -> Options {
        let options = Options::new()
            .key_index(self.key_index)
            .time_index(self.time_index)
            .require_token(self.require_token)
            .timestamps(self.timestamps);
        match self.clock {
            Some(now) => options.clock(Arc::new(ManualClock::new(now))),
            None => options,
        }
    }

    pub(super) const PLAIN: Setup = Setup {
        key_index: false,
        time_index: false,
        require_token: false,
        timestamps: TimestampPolicy::AsGiven,
        clock: None,
    };
    pub(super) const KEYS: Setup = Setup {
        key_index: true,
        ..Setup::PLAIN
    };
    pub(super) const TIMES: Setup = Setup {
        time_index: true,
        ..Setup::PLAIN
    };
    pub(super) const INDEXED: Setup = Setup {
        key_index: true,
        time_index: true,
        ..Setup::PLAIN
    };
    pub(super) const GUARDED: Setup = Setup {
        require_token: true,
        ..Setup::INDEXED
    };

    /// With a clock that stands still at this time.
    pub(super) const fn at(mut self, micros: i64) -> Setup {
        self.clock = Some(Timestamp::from_micros(micros));
        self
    }

    /// With this policy.
    pub(super) const fn stamping(mut self, policy: TimestampPolicy) -> Setup {
        self.timestamps = policy;
        self
    }
}

/// One behaviour that the contract requires.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The name of the behaviour, such as
    /// `consume_at_next_offset_gives_no_messages_and_the_same_offset`.
    pub name: &'static str,
    /// Whether the case takes more than 100 MiB of memory or storage. It may take up to about 3
    /// GiB.
    pub heavy: bool,
    /// Whether the case needs more than every log has: tokens, control records, producers, expected
    /// keys, timestamp policies, or a clock of its own.
    ///
    /// A log without them, which answers [`NotSupported`](crate::Error::NotSupported), has to leave
    /// these cases out by itself. They fail for it, as they do for a wrapper that only forgets to
    /// pass a call on: that would drop fencing without a word.
    pub control: bool,
    /// Checks the behaviour on one or more logs from the factory. Panics if a log behaves
    /// differently.
    pub run: fn(Factory<'_>),
}

/// Makes a case of each function and names it after the function. With `control:` in front, they
/// need more than every log has.
macro_rules! list {
    (control: $($run:ident),* $(,)?) => {
        $crate::testing::case::list!(@true $($run),*)
    };
    ($($run:ident),* $(,)?) => {
        $crate::testing::case::list!(@false $($run),*)
    };
    (@$control:ident $($run:ident),*) => {
        &[$($crate::testing::Case {
            name: stringify!($run),
            heavy: false,
            control: $control,
            run: $run,
        }),*]
    };
}
pub(super) use list;
