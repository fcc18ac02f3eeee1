//! Opening a queue: its state, and whether the logs are still those that it speaks of.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::floors::Last;
use super::group::{Group, NO_LIFE, Partition};
use super::handle::Sources;
use super::inner::{Inner, Told};
use super::journal::{Journal, damaged};
use super::letters::Letters;
use super::options::QueueOptions;
use super::state::{State, Time, life_of};
use crate::sys::Process;
use crate::{Changes, Clock, Error, FileLog, LifeId, Log, Position, Result, Watch};

impl<L: Log> Inner<L> {
    /// Opens a queue of these logs, whose state is in this log.
    pub(super) fn open(
        sources: Sources<L>,
        log: FileLog,
        clock: Arc<dyn Clock>,
        options: QueueOptions,
    ) -> Result<Inner<L>> {
        let (journal, group) = Journal::open(log)?;
        let logs = &sources.logs;
        let lives = logs.iter().map(life_of).collect::<Result<Vec<_>>>()?;
        let mut group = match group {
            None if sources.read_only => {
                let path = journal.log.dir().path().to_path_buf();
                return Err(Error::NoLog { path });
            }
            None => begin(logs, &options)?,
            Some(group) if group.partitions.len() != logs.len() => {
                return Err(damaged(&journal.log, journal.log.start_offset()?));
            }
            Some(mut group) => {
                for (number, log) in logs.iter().enumerate() {
                    follow(&mut group, number, log, lives[number], options.follow_epoch)?;
                }
                group
            }
        };
        let nowhere = Position {
            life: NO_LIFE,
            offset: 0,
        };
        let letters = sources.letters.len().max(group.kicked.len());
        group.kicked.resize(letters, nowhere);
        let is_owed = !group.burying.is_empty();
        if is_owed && sources.letters.is_empty() && !sources.read_only {
            return Err(Error::Invalid(
                "the group has messages to bury: open it with its dead letters",
            ));
        }
        let time = Time::new(clock);
        let changes = Arc::new(Changes::new());
        let mut state = State::new(journal, group, &lives, time.clone())?;
        if !sources.read_only {
            state.snapshot()?;
        }
        Ok(Inner {
            watches: logs.iter().map(|_| Watch::new()).collect(),
            letters: Letters::new(sources.letters, sources.stream, sources.group, is_owed),
            options,
            state: Arc::new(state.into()),
            last: Last::default(),
            sources: sources.logs,
            time,
            waker: Arc::new(Told(Arc::clone(&changes))).into(),
            changes,
            is_closed: AtomicBool::new(false),
            process: Process::current(),
            read_only: sources.read_only,
        })
    }
}

/// The state of a new group.
fn begin<L: Log>(logs: &[L], options: &QueueOptions) -> Result<Group> {
    let partition = |log: &L| {
        Ok(Partition {
            floor: log.consume(options.begin, 0)?.next_offset,
            ..Partition::default()
        })
    };
    Ok(Group {
        partitions: logs.iter().map(partition).collect::<Result<_>>()?,
        ..Group::default()
    })
}

/// Makes sure that a log has all that the state speaks of; forgets what it does not have, if that
/// is wanted.
fn follow<L: Log>(group: &mut Group, number: usize, log: &L, life: LifeId, follow_epoch: bool) -> Result<()> {
    let partition = &mut group.partitions[number];
    if partition.position.life == NO_LIFE || life == NO_LIFE {
        return Ok(());
    }
    match log.resume(partition.position) {
        Ok(_) => Ok(()),
        Err(Error::EpochChanged { parted_at, .. }) if follow_epoch => {
            let parted_at = parted_at.unwrap_or(0);
            partition.forget_from(parted_at);
            group
                .burying
                .retain(|_, burying| burying.partition as usize != number || burying.offset < parted_at);
            Ok(())
        }
        Err(error) => Err(error),
    }
}
