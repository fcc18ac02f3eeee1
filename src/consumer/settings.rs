use std::fmt;
use std::sync::Arc;

use super::permits::Permits;
use super::stopper::Stopper;
use crate::types::Backoff;
use crate::{BlockingLog, Filter, Log};

/// Hands the messages of a log to a [`Handler`](crate::Handler), one after the other, and goes on
/// where the handler says: see [`run`](Consumer::run).
///
/// ```
/// use duramen::{BlockingLog, BoxError, Consumer, Handler, Log, MemoryLog, Message, NewMessage};
///
/// /// Sums up values, and stops when it has three.
/// struct Sum(u64, Vec<u8>, duramen::Stopper);
///
/// impl Handler for Sum {
///     fn next_offset(&mut self) -> Result<u64, BoxError> {
///         Ok(self.0)
///     }
///
///     fn handle(&mut self, _expected: u64, message: &Message) -> Result<(), BoxError> {
///         self.1.extend_from_slice(message.value.as_deref().unwrap_or_default());
///         self.0 = message.offset + 1;
///         if self.1.len() == 3 {
///             self.2.stop();
///         }
///         Ok(())
///     }
/// }
///
/// let log = BlockingLog::new(MemoryLog::new());
/// for value in [b"a", b"b", b"c"] {
///     log.publish(&[NewMessage::value(value)])?;
/// }
/// let consumer = Consumer::new(&log);
/// let mut sum = Sum(0, Vec::new(), consumer.stopper());
/// consumer.run(&mut sum)?;
/// assert_eq!(sum.1, b"abc");
/// # Ok::<(), duramen::Error>(())
/// ```
#[must_use]
pub struct Consumer<L: Log> {
    pub(super) log: BlockingLog<L>,
    pub(super) filter: Filter,
    pub(super) backoff: Backoff,
    pub(super) permits: Option<Permits>,
    pub(super) attempts_max: Option<u32>,
    pub(super) dead: Option<DeadLetters>,
    pub(super) on_trimmed: OnTrimmed,
    pub(super) stopper: Stopper,
}

/// Where messages go that no attempt has dealt with.
#[derive(Clone)]
pub(super) struct DeadLetters {
    pub(super) consumer: Box<str>,
    pub(super) log: Arc<dyn Log>,
}

/// What a consumer does where its next message was trimmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrimmed {
    /// The run ends with [`OffsetOutOfRange`](crate::Error::OffsetOutOfRange), for which
    /// [`is_trimmed`](crate::Error::is_trimmed) is true.
    #[default]
    Fail,
    /// It goes on with the oldest message there is, and tells the handler:
    /// [`Handler::skipped`](crate::Handler::skipped).
    Skip,
}

impl<L: Log> Consumer<L> {
    /// A consumer of all messages of a log.
    pub fn new(log: &BlockingLog<L>) -> Consumer<L> {
        Consumer {
            log: log.clone(),
            filter: Filter::any(),
            backoff: Backoff::new(),
            permits: None,
            attempts_max: None,
            dead: None,
            on_trimmed: OnTrimmed::default(),
            stopper: Stopper::new(),
        }
    }

    /// Only messages that pass are handed on. Default: all.
    pub fn filter(mut self, filter: Filter) -> Consumer<L> {
        self.filter = filter;
        self
    }

    /// How long to wait after an error. Default: [`Backoff::new`].
    pub fn backoff(mut self, backoff: Backoff) -> Consumer<L> {
        self.backoff = backoff;
        self
    }

    /// Take a permit for each message while the handler is at it. Default: no limit.
    pub fn limit(mut self, permits: &Permits) -> Consumer<L> {
        self.permits = Some(permits.clone());
        self
    }

    /// How often a message is handed to the handler in a row before it becomes a [dead
    /// letter](Consumer::dead_letter), or, without such, before the run ends with
    /// [`Error::Handler`](crate::Error::Handler). At least 1. The attempts are counted anew in each
    /// run. Default: without a limit.
    pub fn attempts_max(mut self, attempts: u32) -> Consumer<L> {
        self.attempts_max = Some(attempts.max(1));
        self
    }

    /// Publish a message that has reached its [limit of attempts](Consumer::attempts_max) to this
    /// log, and go on behind it. The copy has the key, value, time and headers of the message, and
    /// the headers `dead.consumer`, `dead.offset`, `dead.attempts` and `dead.reason`.
    ///
    /// It is on stable storage before the consumer goes on. `consumer` is the name of this consumer
    /// in that log. By name and offset the log recognises its last 64 letters, so that a consumer
    /// which is killed in between buries a message once. One that goes back further, or reads a log
    /// without [positions](Log::position), may bury it again.
    pub fn dead_letter<D: Log + 'static>(mut self, consumer: &str, log: &Arc<D>) -> Consumer<L> {
        self.dead = Some(DeadLetters {
            consumer: consumer.into(),
            log: Arc::clone(log) as Arc<dyn Log>,
        });
        self
    }

    /// What to do where the next message was trimmed. Default: [`OnTrimmed::Fail`].
    pub fn on_trimmed(mut self, on_trimmed: OnTrimmed) -> Consumer<L> {
        self.on_trimmed = on_trimmed;
        self
    }

    /// Have this stopper stop it, too: one for several consumers.
    pub fn stop_with(mut self, stopper: &Stopper) -> Consumer<L> {
        self.stopper = stopper.clone();
        self
    }

    /// What stops it, from any thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

impl<L: Log> fmt::Debug for Consumer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("filter", &self.filter)
            .field("backoff", &self.backoff)
            .field("attempts_max", &self.attempts_max)
            .field("on_trimmed", &self.on_trimmed)
            .finish_non_exhaustive()
    }
}
