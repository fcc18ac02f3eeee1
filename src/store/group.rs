//! Groups: threads that share the partitions of a stream.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::assignment::Assignment;
use super::follow::{StreamFollow, StreamStop};
use super::stream::Stream;
use crate::sys::Process;
use crate::{Awaited, Cursors, Error, Expect, Message, Result, Start};

/// Threads of this process that share the partitions of a stream: see [`Stream::group`].
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Group(Arc<Shared>);

struct Shared {
    stream: Stream,
    name: Box<str>,
    cursors: Cursors,
    members: Mutex<Members>,
    /// The members have changed.
    changed: Condvar,
    /// Of each partition, the number of the lease by which somebody has it. Held while a cursor is
    /// stored, so that nobody gets the partition meanwhile.
    leases: Vec<Mutex<u64>>,
    process: Process,
}

#[derive(Default)]
struct Members {
    assignment: Assignment,
    /// How often the members have changed.
    changes: u64,
    /// What ends the reading of each member that reads.
    stops: BTreeMap<Arc<str>, StreamStop>,
    /// The number of the last lease.
    last_lease: u64,
}

/// One of a [`Group`], which has some of the partitions: see [`Group::join`].
pub struct Member {
    group: Group,
    id: Arc<str>,
    /// What it reads, each partition with its lease.
    leases: BTreeMap<u32, u64>,
    follow: StreamFollow,
    /// After how many changes of the members that was so; `None` if it has to be found anew.
    as_of: Option<u64>,
    is_closed: bool,
}

/// A message for a [`Member`], and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMessage {
    /// The partition.
    pub partition: u32,
    /// The number of the lease by which the member has the partition. Each is larger than those
    /// before it.
    pub lease: u64,
    /// The message.
    pub message: Message,
}

impl Stream {
    /// A group whose members share the partitions of this stream. Its places are the stored
    /// [cursors](super::Store::cursors) with the id `name`. The idea is that of Liftbridge's
    /// consumer groups.
    ///
    /// All members are threads of this process, and join this handle or its clones. The group
    /// itself is not stored: the next process goes on at the cursors.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::partitions`](Stream::partitions); [`Error::Invalid`] for a name that no
    /// cursor can have.
    pub fn group(&self, name: &str) -> Result<Group> {
        let cursors = self.cursors();
        let partitions = self.partitions()?;
        for number in 0..partitions {
            match cursors.get(name, self.name(), number) {
                // A member meets it where it is to go on.
                Err(Error::EpochChanged { .. }) => {}
                found => drop(found?),
            }
        }
        Ok(Group(Arc::new(Shared {
            stream: self.clone(),
            name: name.into(),
            cursors,
            members: Mutex::default(),
            changed: Condvar::new(),
            leases: (0..partitions).map(|_| Mutex::new(0)).collect(),
            process: Process::current(),
        })))
    }
}

impl Group {
    /// Joins the group. The member gets its share of the partitions from those who have the most;
    /// when a member leaves, each of its partitions goes to the one with the fewest, of several to
    /// the first by id. So shares differ by one partition at most, and no more partitions move than
    /// must.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a member of this id is there; those of [`Stream::follow`].
    pub fn join(&self, id: &str) -> Result<Member> {
        self.check_process()?;
        let id: Arc<str> = id.into();
        let follow = self.0.stream.follow_from([])?;
        let mut members = self.0.members.lock();
        let moved = members.assignment.join(&id, self.partitions());
        let moved = moved.ok_or(Error::Invalid("the group has a member of this id"))?;
        self.hand_over(&mut members, &moved);
        drop(members);
        Ok(Member {
            group: self.clone(),
            id,
            leases: BTreeMap::new(),
            follow,
            as_of: None,
            is_closed: false,
        })
    }

    /// The ids of the members, each with its partitions.
    #[must_use]
    pub fn members(&self) -> Vec<(String, Vec<u32>)> {
        if self.check_process().is_err() {
            return Vec::new();
        }
        let members = self.0.members.lock();
        let shares = members.assignment.shares();
        shares
            .map(|(id, share)| (id.to_owned(), share.iter().copied().collect()))
            .collect()
    }

    /// In a fork, a thread of its parent may have held a lock.
    fn check_process(&self) -> Result<()> {
        let is_current = self.0.process.is_current();
        is_current.then_some(()).ok_or(Error::Forked)
    }

    fn partitions(&self) -> u32 {
        u32::try_from(self.0.leases.len()).unwrap_or(u32::MAX)
    }

    fn leave(&self, id: &str) {
        let mut members = self.0.members.lock();
        members.stops.remove(id);
        let moved = members.assignment.leave(id);
        self.hand_over(&mut members, &moved);
    }

    /// Gives out new leases, and has all members look for theirs.
    fn hand_over(&self, members: &mut Members, moved: &[u32]) {
        for number in moved {
            members.last_lease += 1;
            // Waits for who is storing the cursor under the lease before.
            if let Some(lease) = self.0.leases.get(*number as usize) {
                *lease.lock() = members.last_lease;
            }
        }
        members.changes += 1;
        members.stops.values().for_each(StreamStop::stop);
        self.0.changed.notify_all();
    }

    /// The partitions that a member has now, each with its lease.
    fn leases_of(&self, members: &Members, id: &str) -> BTreeMap<u32, u64> {
        let lease = |number: &u32| self.0.leases.get(*number as usize).map(|lease| *lease.lock());
        let numbers = members.assignment.of(id);
        numbers
            .iter()
            .filter_map(|number| Some((*number, lease(number)?)))
            .collect()
    }
}

impl Member {
    /// The id under which it has joined.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The next message of its partitions, in the order of each. Waits for one, with a `timeout` at
    /// most so long; then it is `None`. A partition that has come to this member goes on at its
    /// stored cursor, or at its start if there is none.
    ///
    /// # Errors
    ///
    /// - [`Error::CursorClosed`] when the member has left;
    /// - [`Error::Sealed`] when all its partitions are sealed and read;
    /// - [`Error::EpochChanged`] if a partition is not the one any more in which its cursor was
    ///   stored;
    /// - those of reading a partition. After such an error it goes on at the stored cursors.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<GroupMessage>> {
        // A deadline too far away to be represented is no deadline.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            self.group.check_process()?;
            if self.is_closed {
                return Err(Error::CursorClosed);
            }
            self.follow_on()?;
            let next = match deadline {
                Some(deadline) => self
                    .follow
                    .next_timeout(deadline.saturating_duration_since(Instant::now())),
                None => self.follow.next().map_or(Awaited::Ended, Awaited::Item),
            };
            match next {
                Awaited::Item(Ok(next)) => {
                    let lease = self.leases.get(&next.partition).copied();
                    return Ok(Some(GroupMessage {
                        partition: next.partition,
                        lease: lease.unwrap_or_default(),
                        message: next.message,
                    }));
                }
                Awaited::Item(Err(error)) => {
                    self.begin_anew();
                    return Err(error);
                }
                Awaited::TimedOut => return Ok(None),
                Awaited::Ended if !self.wait_for_change(deadline)? => return Ok(None),
                Awaited::Ended => {}
            }
        }
    }

    /// Stores that this message was dealt with: the group goes on behind it.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseLost`] if the partition has gone to another member meanwhile, which is given
    /// the message again; nothing was stored. Those of [`Cursors::set`].
    pub fn done(&self, message: &GroupMessage) -> Result<()> {
        self.group.check_process()?;
        let shared = &self.group.0;
        let lease = shared.leases.get(message.partition as usize);
        let offset = message.message.offset;
        let lost = || Error::LeaseLost { offset };
        let lease = lease.ok_or_else(lost)?.lock();
        if *lease != message.lease || self.is_closed {
            return Err(lost());
        }
        let (stream, next) = (shared.stream.name(), offset + 1);
        match shared
            .cursors
            .set(&shared.name, stream, message.partition, next, Expect::Any)
        {
            // Done before, out of order.
            Err(Error::CursorBehind { .. }) => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Leaves the group. Its partitions go to the others at once. Dropping it does the same.
    pub fn close(&mut self) {
        let was_closed = std::mem::replace(&mut self.is_closed, true);
        if !was_closed && self.group.check_process().is_ok() {
            self.group.leave(&self.id);
        }
    }

    /// Reads the partitions that it has now.
    fn follow_on(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.group.0);
        loop {
            let (changes, leases) = {
                let members = shared.members.lock();
                if self.as_of == Some(members.changes) {
                    return Ok(());
                }
                (members.changes, self.group.leases_of(&members, &self.id))
            };
            let follow = shared.stream.follow_from(self.places(&leases)?)?;
            let mut members = shared.members.lock();
            // Whoever changes the members from here on ends this.
            if members.changes == changes {
                members.stops.insert(Arc::clone(&self.id), follow.stop_handle());
                (self.follow, self.leases, self.as_of) = (follow, leases, Some(changes));
                return Ok(());
            }
        }
    }

    /// Where it goes on: in what it has had already, where it was.
    fn places(&self, leases: &BTreeMap<u32, u64>) -> Result<Vec<(u32, Start)>> {
        let read: BTreeMap<_, _> = self.follow.next_offsets().collect();
        let place = |(number, lease): (&u32, &u64)| {
            let is_same = self.leases.get(number) == Some(lease);
            let from = match read.get(number).filter(|_| is_same) {
                Some(offset) => Start::At(*offset),
                None => self.stored(*number)?,
            };
            Ok((*number, from))
        };
        leases.iter().map(place).collect()
    }

    /// Forgets what it has read and not said to be done.
    fn begin_anew(&mut self) {
        self.leases.clear();
        self.as_of = None;
    }

    /// Where the group goes on in a partition.
    fn stored(&self, number: u32) -> Result<Start> {
        let shared = &self.group.0;
        let stored = shared.cursors.get(&shared.name, shared.stream.name(), number)?;
        Ok(stored.map_or(Start::Oldest, |stored| Start::At(stored.position.offset)))
    }

    /// Waits until the members change; returns whether they have. All that it reads has ended.
    fn wait_for_change(&self, deadline: Option<Instant>) -> Result<bool> {
        let shared = &self.group.0;
        let mut members = shared.members.lock();
        while self.as_of == Some(members.changes) {
            if !self.leases.is_empty() {
                return Err(Error::Sealed);
            }
            match deadline {
                None => shared.changed.wait(&mut members),
                Some(deadline) if shared.changed.wait_until(&mut members, deadline).timed_out() => {
                    return Ok(self.as_of != Some(members.changes));
                }
                Some(_) => {}
            }
        }
        Ok(true)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("stream", &self.stream.name())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("id", &self.id)
            .field("leases", &self.leases)
            .finish_non_exhaustive()
    }
}
