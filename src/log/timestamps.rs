use crate::{Error, NewMessage, Result, Timestamp};

/// Which times the messages of a log get; see [`Options::timestamps`](crate::Options::timestamps).
///
/// | policy | a message's time |
/// |---|---|
/// | `AsGiven` | the publisher's, or the clock's if it gave none; any times, in any order |
/// | `ClientPrefer` | the publisher's, or the clock's if it gave none |
/// | `ClientRequire` | the publisher's; without one, the batch fails |
/// | `Arrival` | the clock's |
///
/// The last three keep times in order: a time ahead of the clock is set to the clock's, unless the
/// policy is [`uncapped`](TimestampPolicy::uncapped), and a time behind the latest time that any
/// record of the log ever had, trimmed ones included, is raised to that. So one time far ahead
/// holds all later ones there. These are the policies of S2. The clock is read once for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimestampPolicy {
    whose: Whose,
    is_uncapped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    AsGiven,
    ClientPrefer,
    ClientRequire,
    Arrival,
}

#[expect(non_upper_case_globals, reason = "they are used like variants")]
impl TimestampPolicy {
    /// The publisher's time as it is, or the clock's. The default.
    pub const AsGiven: TimestampPolicy = TimestampPolicy::of(Whose::AsGiven);
    /// The publisher's time or the clock's, in order.
    pub const ClientPrefer: TimestampPolicy = TimestampPolicy::of(Whose::ClientPrefer);
    /// The publisher's time, in order. A message without one fails with
    /// [`Error::TimeRequired`](crate::Error::TimeRequired).
    pub const ClientRequire: TimestampPolicy = TimestampPolicy::of(Whose::ClientRequire);
    /// The clock's time, in order, whatever the publisher gave.
    pub const Arrival: TimestampPolicy = TimestampPolicy::of(Whose::Arrival);

    const fn of(whose: Whose) -> TimestampPolicy {
        TimestampPolicy {
            whose,
            is_uncapped: false,
        }
    }

    /// The same policy, but times may be ahead of the clock, as they may be with
    /// [`AsGiven`](TimestampPolicy::AsGiven) anyway.
    #[must_use]
    pub const fn uncapped(mut self) -> TimestampPolicy {
        self.is_uncapped = true;
        self
    }

    /// Fails if a message lacks the time that the policy requires.
    pub(crate) fn check(self, messages: &[NewMessage<'_>]) -> Result<()> {
        if self.whose != Whose::ClientRequire {
            return Ok(());
        }
        let lacking = messages.iter().position(|message| message.time.is_none());
        lacking.map_or(Ok(()), |index| Err(Error::TimeRequired { index }))
    }

    /// Whether messages keep the times they come with.
    pub(crate) fn is_as_given(self) -> bool {
        self.whose == Whose::AsGiven
    }
}

impl Default for TimestampPolicy {
    fn default() -> TimestampPolicy {
        TimestampPolicy::AsGiven
    }
}

/// What the times of a batch depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) policy: TimestampPolicy,
    /// What the clock says.
    pub(crate) now: Timestamp,
    /// The latest time in the log.
    pub(crate) max: Timestamp,
}

impl Stamp {
    /// The time that a record gets which came with this one; `None` is the clock's time.
    fn next(&mut self, given: Option<Timestamp>) -> Option<Timestamp> {
        let now = self.now;
        let taken = match self.policy.whose {
            Whose::AsGiven => return given,
            Whose::Arrival => now,
            Whose::ClientPrefer | Whose::ClientRequire => given.unwrap_or(now),
        };
        let capped = if self.policy.is_uncapped {
            taken
        } else {
            taken.min(now)
        };
        let raised = capped.max(self.max);
        self.max = raised;
        let is_by_clock = raised == now && (given.is_none() || self.policy.whose == Whose::Arrival);
        (!is_by_clock).then_some(raised)
    }
}

/// The records of a batch with the times that the policy gives them: first `messages`, then
/// `controls`, which come without. No time stands for that of the clock.
pub(crate) fn stamped<'a>(
    messages: &[NewMessage<'a>],
    controls: &[NewMessage<'a>],
    mut stamp: Stamp,
) -> Result<Vec<NewMessage<'a>>> {
    stamp.policy.check(messages)?;
    let records = messages.iter().chain(controls).map(|record| NewMessage {
        time: stamp.next(record.time),
        ..*record
    });
    Ok(records.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn times(policy: TimestampPolicy, max: i64, given: &[Option<i64>]) -> Result<Vec<Option<i64>>> {
        let messages: Vec<_> = given
            .iter()
            .map(|time| NewMessage {
                time: time.map(us),
                ..NewMessage::value(b"")
            })
            .collect();
        let stamp = Stamp {
            policy,
            now: us(1000),
            max: us(max),
        };
        let stamped = stamped(&messages, &[], stamp)?;
        Ok(stamped
            .iter()
            .map(|message| message.time.map(Timestamp::as_micros))
            .collect())
    }

    #[test]
    fn times_are_capped_and_raised() {
        let prefer = TimestampPolicy::ClientPrefer;
        let given = [None, Some(1500), Some(800), Some(950)];
        assert_eq!(
            times(prefer, 900, &given).expect("stamped"),
            [None, Some(1000), Some(1000), Some(1000)]
        );
        assert_eq!(
            times(prefer.uncapped(), 900, &given).expect("stamped"),
            [None, Some(1500), Some(1500), Some(1500)]
        );
        assert_eq!(times(prefer, 1200, &[None]).expect("stamped"), [Some(1200)]);
        assert_eq!(
            times(TimestampPolicy::Arrival, 0, &given).expect("stamped"),
            [None; 4]
        );
        assert_eq!(
            times(TimestampPolicy::AsGiven, 2000, &given).expect("stamped"),
            given
        );
    }

    #[test]
    fn a_time_that_is_required_and_absent_fails_the_batch() {
        let require = TimestampPolicy::ClientRequire;
        assert!(matches!(
            times(require, 0, &[Some(5), None]),
            Err(Error::TimeRequired { index: 1 })
        ));
        assert_eq!(
            times(require, 0, &[Some(5), Some(4)]).expect("stamped"),
            [Some(5), Some(5)]
        );
    }
}
