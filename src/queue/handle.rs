use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::floors::Floors;
use super::inner::Inner;
use super::job::Job;
use super::journal::ROLLOVER;
use super::options::{DeadLetter, DebugLog, QueueOptions};
use super::stat::QueueStat;
use crate::{Clock, Error, FileLog, Log, Message, Result};

/// A work queue: gives each message of a log, or of a stream, to one of several workers.
///
/// A worker asks for the [`next`](Queue::next) job, and says what has become of it: it is
/// [done](Job::done), to be [tried again](Job::retry), or [given up](Job::bury). A job that is
/// dropped, for instance by a panic, is tried again; so is one whose worker has taken longer than
/// its [lease](QueueOptions::lease), or has died.
///
/// - Each message is given out **at least once**. It comes again if a worker has done it and died
///   before it said so, and if its lease is over. So let jobs be repeatable.
/// - A message is given out [`attempts_max`](QueueOptions::attempts_max) times at most. Then it is
///   buried: published to the dead letters, once, or only counted if there are none.
/// - Messages come in the order of their offsets, but for what is tried again. With
///   [`by_key`](QueueOptions::by_key) the order of each key is kept.
/// - Messages that are deleted or trimmed need not be done. Up to 256 are read ahead: of these, one
///   that is deleted may still be given out.
/// - At most 65,536 offsets are looked at: if the oldest message that is not settled is so far
///   behind, nothing newer is given out.
///
/// What has become of the messages is kept in a directory of its own, so that other readers of the
/// log are not disturbed. One handle has it open. Its clones are for more workers of the process;
/// another one fails with [`Locked`](Error::Locked).
///
/// ```
/// use std::time::Duration;
/// use duramen::queue::{Queue, QueueOptions};
/// use duramen::{Log, MemoryLog, NewMessage};
///
/// # fn main() -> duramen::Result<()> {
/// # let home = tempfile::tempdir().unwrap();
/// # let dir = home.path().join("queue");
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"resize"), NewMessage::value(b"send")])?;
///
/// let queue = Queue::open(&log, &dir, QueueOptions::new())?;
/// while let Some(job) = queue.next(Some(Duration::ZERO))? {
///     println!("{:?}, attempt {}", job.value, job.attempt());
///     job.done()?;
/// }
/// assert_eq!(queue.stat()?.partitions[0].floor, 2);
/// queue.close()
/// # }
/// ```
#[derive(Debug)]
pub struct Queue<L: Log> {
    pub(super) inner: Arc<Inner<L>>,
}

/// What a queue is made of.
#[derive(Debug)]
pub(crate) struct Sources<L> {
    /// The partitions.
    pub(crate) logs: Vec<L>,
    /// The partitions of the dead letters.
    pub(crate) letters: Vec<Arc<dyn DebugLog>>,
    /// The names that letters have of the stream and of the group.
    pub(crate) stream: String,
    pub(crate) group: String,
    /// Whether the queue is only to be looked at: a group that is not there is not made.
    pub(crate) read_only: bool,
}

impl<L: Log> Clone for Queue<L> {
    fn clone(&self) -> Queue<L> {
        Queue {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<L: Log> Queue<L> {
    /// Opens a queue of one log, whose state is in `dir`. The directory is made if it is missing,
    /// and then the queue is a new one. The queues of a stream are opened by
    /// [`Store::queue`](crate::store::Store::queue).
    ///
    /// # Errors
    ///
    /// - [`Locked`](Error::Locked): the queue is open already.
    /// - [`EpochChanged`](Error::EpochChanged): the log does not have everything that the state
    ///   speaks of. See [`QueueOptions::follow_epoch`].
    /// - [`Corrupt`](Error::Corrupt), [`Version`](Error::Version): the state cannot be understood.
    /// - [`Invalid`](Error::Invalid) for options out of range, and for a dead letter stream.
    /// - Those of opening and reading logs.
    pub fn open(log: L, dir: impl AsRef<Path>, options: QueueOptions) -> Result<Queue<L>> {
        let letters = match &options.dead_letter {
            None => Vec::new(),
            Some(DeadLetter::Log(log)) => vec![Arc::clone(log)],
            Some(DeadLetter::Stream(_)) => {
                return Err(Error::Invalid("a single log has no streams beside it"));
            }
        };
        let how = options.log.clone().create_dirs(true).read_only(false);
        let how = how.durability(options.durability).rollover(ROLLOVER);
        let clock = Arc::clone(&how.environment.clock);
        let sources = Sources {
            logs: vec![log],
            letters,
            stream: options.name.clone(),
            group: String::new(),
            read_only: false,
        };
        options.check()?;
        Queue::over(sources, how.open(dir)?, clock, options)
    }

    /// Opens a queue whose state is in `log`.
    pub(crate) fn over(
        sources: Sources<L>,
        log: FileLog,
        clock: Arc<dyn Clock>,
        options: QueueOptions,
    ) -> Result<Queue<L>> {
        options.check()?;
        let inner = Arc::new(Inner::open(sources, log, clock, options)?);
        Ok(Queue { inner })
    }

    /// Says up to where the queue has dealt with its partitions.
    pub(crate) fn floors(&self) -> Floors {
        Floors::of(&self.inner.state, &self.inner.last)
    }

    /// The next job. Waits for one if there is none, with a `timeout` at most so long, and then
    /// returns `None`. Also returns `None`, at once, if every log is sealed and everything in it is
    /// settled.
    ///
    /// That the job was given out is noted before this returns: it is one of the message's
    /// attempts, whatever happens to the process.
    ///
    /// # Errors
    ///
    /// - [`Closed`](Error::Closed): the queue was closed, or a log of it.
    /// - [`Corrupt`](Error::Corrupt): the next message is damaged. Jobs that were given out can be
    ///   done. [Recover](crate::recover) the log to go on.
    /// - Those of [`Job::bury`], for a message whose attempts are used up.
    /// - [`ReadOnly`](Error::ReadOnly): the queue is of a store that is open for reading only.
    /// - Those of [`Log::consume`], and of [`Log::publish`] to the state.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<Job<L>>> {
        let given = self.inner.next(timeout)?;
        Ok(given.map(|given| Job::new(&self.inner, given)))
    }

    /// How far the queue is.
    ///
    /// # Errors
    ///
    /// Those of [`Log::next_offset`].
    pub fn stat(&self) -> Result<QueueStat> {
        self.inner.stat()
    }

    /// The messages that are to be given out, now or later, `max_count` at most, each with the
    /// number of its partition: partition by partition, by their offsets. Gives none of them out.
    ///
    /// # Errors
    ///
    /// Those of [`Log::consume`].
    pub fn peek(&self, max_count: usize) -> Result<Vec<(u32, Message)>> {
        self.inner.peek(max_count)
    }

    /// Publishes messages again that this group has buried, `max_count` at most, in the order in
    /// which they were buried: to the partitions from which they came, as new messages. Returns how
    /// many. No letter is kicked twice, but if a crash comes in between, or the state is restored,
    /// some may be. The letters stay where they are.
    ///
    /// # Durability
    ///
    /// What is published is on stable storage when this returns.
    ///
    /// # Errors
    ///
    /// [`Invalid`](Error::Invalid) without dead letters; [`ReadOnly`](Error::ReadOnly) as for
    /// [`next`](Queue::next); [`EpochChanged`](Error::EpochChanged) if their log is not the one
    /// that was kicked before; those of [`Log::read`] and [`Log::append`].
    pub fn kick(&self, max_count: usize) -> Result<usize> {
        self.inner.kick(max_count)
    }

    /// Brings the outcomes that were noted to stable storage.
    ///
    /// # Errors
    ///
    /// Those of [`Log::sync`].
    pub fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    /// For each partition an offset: everything below it is settled, on stable storage, and the
    /// queue does not need it any more. So these can be the [floor](crate::RetentionFloor) of a log
    /// that is in no store. A store does this itself: see
    /// [`keep_unread`](crate::store::RetentionConfig::keep_unread).
    ///
    /// # Errors
    ///
    /// Those of [`sync`](Queue::sync).
    pub fn synced_floors(&self) -> Result<Vec<u64>> {
        self.inner.check_writable()?;
        let floors = self.floors().synced()?;
        Ok(floors.into_iter().map(|floor| floor.offset).collect())
    }

    /// Closes the queue for all its handles, and not the logs. Workers that wait return with
    /// [`Closed`](Error::Closed), and so does every later call, also of jobs: their messages are
    /// given out again when the queue is opened. Later calls of `close` do nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Log::close`], for the state. It is closed in any case.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }
}
