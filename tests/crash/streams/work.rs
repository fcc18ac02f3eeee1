//! What is done to a store.

use std::path::Path;

use duramen::fault::SimDisk;
use duramen::store::{Partitioner, Store, StreamConfig, StreamPatch, restore};
use duramen::{Durability, Error, NewMessage, PublishOptions, Result};

use super::copies::{AGAIN, COPY};
use super::model::{DIR, Message, Partition, State, Stream, options};
use crate::settings::mix;

/// Streams `a` and `b` are durable with each publish, `c` is not and has two partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create(&'static str),
    Delete(&'static str),
    Reconfigure(&'static str),
    Publish(&'static str, u32),
    Seal(&'static str, u32),
    Unseal(&'static str, u32),
    Pause(&'static str, u32),
    /// To `a`, `b` and the second partition of `c`.
    Atomic,
    /// To both partitions of `c`.
    AtomicInOne,
    /// To the first partition of `c` alone.
    AtomicOne,
    Sync,
    Close,
    /// The process dies, and the store is opened again.
    Reopen,
    /// To `COPY`.
    Backup,
    /// From there to `AGAIN`, unless there is something.
    Restore,
}

use Step::{
    Atomic, AtomicInOne, AtomicOne, Backup, Close, Create, Delete, Pause, Publish, Reconfigure, Reopen,
    Restore, Seal, Sync, Unseal,
};

impl Step {
    pub(crate) const CHANGING: [Step; 14] = [
        Create("d"),
        Create("b"),
        Delete("a"),
        Delete("c"),
        Reconfigure("a"),
        Publish("a", 0),
        Publish("c", 1),
        Seal("c", 1),
        Unseal("c", 1),
        Pause("a", 0),
        Pause("c", 0),
        Sync,
        Close,
        Reopen,
    ];

    pub(crate) const ATOMIC: [Step; 10] = [
        Atomic,
        AtomicInOne,
        Publish("a", 0),
        Publish("c", 0),
        Publish("c", 1),
        Seal("c", 0),
        Delete("b"),
        Sync,
        Close,
        Reopen,
    ];
}

/// All workloads of up to `len_max` steps; of the longest, one in so many.
pub(crate) fn workloads(steps: &[Step], len_max: usize, one_in: usize, seed: u64) -> Vec<Vec<Step>> {
    let (mut all, mut last) = (Vec::new(), vec![Vec::new()]);
    for len in 1..=len_max {
        let longer = |begin: &Vec<Step>| {
            let begin = begin.clone();
            steps.iter().map(move |step| [&begin[..], &[*step]].concat())
        };
        last = last.iter().flat_map(longer).collect();
        let is_drawn = |index: usize| len < len_max || mix(seed, index as u64).is_multiple_of(one_in as u64);
        let drawn = last.iter().enumerate().filter(|(index, _)| is_drawn(*index));
        all.extend(drawn.map(|(_, steps)| steps.clone()));
    }
    all
}

/// A step that was done, between two points of the disk.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) step: Step,
    pub(crate) begin: usize,
    pub(crate) end: usize,
    /// What the store may hold while the step is done, besides what it held before and holds after.
    pub(crate) between: Vec<State>,
    pub(crate) after: State,
    pub(crate) copies: Copies,
}

/// What the copies of a store hold, in the order of `copies::DIRS`, as far as they are there.
pub(crate) type Copies = [Option<State>; 2];

/// A step that may have failed.
pub(crate) struct Attempt {
    pub(crate) done: Result<()>,
    pub(crate) before: State,
    pub(crate) between: Vec<State>,
    pub(crate) after: State,
    /// Before it and after it.
    pub(crate) copies: [Copies; 2],
}

/// A store on a simulated disk, with what was done to it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) disk: SimDisk,
    pub(crate) done: Vec<Done>,
    store: Option<Store>,
    state: State,
    copies: Copies,
    published: usize,
}

impl Run {
    /// A store with three streams that have messages.
    pub(crate) fn new(seed: u64) -> Result<Run> {
        let mut run = Run {
            disk: SimDisk::new(seed),
            done: Vec::new(),
            store: None,
            state: State::new(),
            copies: Copies::default(),
            published: 0,
        };
        for step in [
            Create("a"),
            Create("b"),
            Create("c"),
            Publish("a", 0),
            Publish("c", 0),
        ] {
            run.step(step)?;
        }
        Ok(run)
    }

    pub(crate) fn step(&mut self, step: Step) -> Result<()> {
        self.disk.note(format!("{step:?}"));
        let begin = self.disk.point();
        if step == Reopen {
            self.disk = self.disk.kill();
            // The handle would close the store on a disk that is gone.
            self.store = None;
        }
        let store = match &self.store {
            Some(store) => store.clone(),
            None => options(&self.disk).open(DIR)?,
        };
        self.store = Some(store.clone());
        let mut between = Vec::new();
        let mut after = self.state.clone();
        self.carry_out(&store, step, &mut between, &mut after)?;
        if step == Close {
            self.store = None;
        }
        self.state.clone_from(&after);
        self.done.push(Done {
            step,
            begin,
            end: self.disk.point(),
            between,
            after,
            copies: self.copies.clone(),
        });
        Ok(())
    }

    /// Does a step that may fail.
    pub(crate) fn attempt(&mut self, step: Step) -> Attempt {
        let (before, copies) = (self.state.clone(), self.copies.clone());
        let (mut between, mut after) = (Vec::new(), before.clone());
        let store = match &self.store {
            Some(store) => Ok(store.clone()),
            None => options(&self.disk).open(DIR),
        };
        let done = store.and_then(|store| {
            self.store = Some(store.clone());
            self.carry_out(&store, step, &mut between, &mut after)
        });
        Attempt {
            done,
            before,
            between,
            after,
            copies: [copies, self.copies.clone()],
        }
    }

    /// The store, which is open.
    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    /// Closes the store.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.store.take().map_or(Ok(()), |store| store.close())
    }

    fn carry_out(
        &mut self,
        store: &Store,
        step: Step,
        between: &mut Vec<State>,
        after: &mut State,
    ) -> Result<()> {
        match step {
            Create(name) => create(store, name, after),
            Delete(name) => match store.delete(name) {
                Err(Error::NoStream { .. }) => Ok(()),
                deleted => {
                    after.remove(name);
                    deleted
                }
            },
            Reconfigure(name) => {
                let Some(stream) = after.get_mut(name) else {
                    return Ok(());
                };
                stream.has_time_index = true;
                store
                    .reconfigure(name, &StreamPatch::new().time_index(true))
                    .map(|_| ())
            }
            Publish(name, number) => self.publish(store, (name, number), between, after),
            Seal(name, number) | Unseal(name, number) | Pause(name, number) => {
                let Some(stream) = after.get_mut(name) else {
                    return Ok(());
                };
                let partition = &mut stream.partitions[number as usize];
                let handle = store.stream(name)?;
                match step {
                    Seal(..) => {
                        partition.is_sealed = true;
                        handle.seal(&number.into())
                    }
                    Unseal(..) => {
                        partition.is_sealed = false;
                        handle.unseal(&number.into())
                    }
                    _ => {
                        partition.is_paused = true;
                        all_durable(partition);
                        handle.pause(&number.into(), false)
                    }
                }
            }
            Atomic => self.publish_to(store, &[("a", 0), ("b", 0), ("c", 1)], after),
            AtomicOne => self.publish_to(store, &[("c", 0)], after),
            AtomicInOne => self.publish_to(store, &[("c", 1), ("c", 0)], after),
            Sync | Close => {
                if step == Sync { store.sync() } else { store.close() }?;
                let partitions = after.values_mut().flat_map(|stream| &mut stream.partitions);
                partitions.for_each(all_durable);
                Ok(())
            }
            Reopen => Ok(()),
            Backup => {
                self.copies[0] = Some(after.clone());
                store.backup(Path::new(COPY)).map(|_| ())
            }
            Restore => self.restore(),
        }
    }

    fn restore(&mut self) -> Result<()> {
        let [Some(copy), None] = &self.copies else {
            return Ok(());
        };
        self.copies[1] = Some(copy.clone());
        restore(COPY, AGAIN, &options(&self.disk)).map(|_| ())
    }

    fn text(&mut self) -> String {
        self.published += 1;
        format!("message {}", self.published)
    }

    fn publish(
        &mut self,
        store: &Store,
        (name, number): (&'static str, u32),
        between: &mut Vec<State>,
        after: &mut State,
    ) -> Result<()> {
        let text = self.text();
        let Some(stream) = after.get_mut(name) else {
            return Ok(());
        };
        let is_durable = stream.is_durable;
        stream.partitions[number as usize].is_paused = false;
        let handle = store.stream(name)?;
        let published = handle.publish(
            NewMessage::value(text.as_bytes()),
            &Partitioner::To(number),
            &PublishOptions::new(),
        );
        // It is resumed first.
        between.push(after.clone());
        let partition = &mut after.get_mut(name).expect("there").partitions[number as usize];
        if partition.is_sealed {
            assert!(matches!(published, Err(Error::Sealed)), "{published:?}");
            return Ok(());
        }
        partition.messages.push(Message { text, is_durable });
        published.map(|_| ())
    }

    fn publish_to(&mut self, store: &Store, to: &[(&'static str, u32)], after: &mut State) -> Result<()> {
        let text = self.text();
        let message = [NewMessage::value(text.as_bytes())];
        let is_there = |place: &(&str, u32)| after.contains_key(place.0);
        if !to.iter().all(is_there) {
            return Ok(());
        }
        let streams = to.iter().map(|(name, _)| store.stream(name));
        let streams = streams.collect::<Result<Vec<_>>>()?;
        let parts: Vec<_> = streams
            .iter()
            .zip(to)
            .map(|(stream, (_, number))| (stream, *number, &message[..]))
            .collect();
        let published = store.publish_to(&parts);
        let is_sealed = |place: &(&str, u32)| after[place.0].partitions[place.1 as usize].is_sealed;
        if to.iter().any(is_sealed) {
            assert!(matches!(published, Err(Error::Sealed)), "{published:?}");
            return Ok(());
        }
        for (name, number) in to {
            let stream = after.get_mut(name).expect("there");
            stream.partitions[*number as usize].messages.push(Message {
                text: text.clone(),
                is_durable: true,
            });
        }
        published.map(|_| ())
    }
}

fn create(store: &Store, name: &'static str, after: &mut State) -> Result<()> {
    let is_durable = name != "c";
    let count = if is_durable { 1 } else { 2 };
    let durability = if is_durable {
        Durability::EachPublish
    } else {
        Durability::Os
    };
    let config = StreamConfig::new().partitions(count).durability(durability);
    match store.create(name, &config) {
        Err(Error::StreamExists { .. }) => Ok(()),
        created => {
            let stream = Stream {
                is_durable,
                has_time_index: false,
                partitions: vec![Partition::default(); count as usize],
            };
            after.insert(name, stream);
            created.map(|_| ())
        }
    }
}

fn all_durable(partition: &mut Partition) {
    for message in &mut partition.messages {
        message.is_durable = true;
    }
}
