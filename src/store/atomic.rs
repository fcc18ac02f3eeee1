//! Publishing to several partitions at once: all parts or none, also after a crash.
//!
//! First, the partitions are synced. The intent, with all messages, is one batch of the log
//! `intents`. Once that is durable, the parts are published. A part is in its partition if that has
//! come beyond the offset at which the part was to begin; nobody else publishes there meanwhile. So
//! what is left of an intent can be done by whoever finds it: opening the store does so before
//! anybody reads, and so does the next who changes a partition for which a part failed. An intent
//! is settled, and trimmed from the log, when all of its parts are on stable storage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::access::{Access, is_poisoned};
use super::catalog::options_of_intents;
use super::entry::{Entry, Partition};
use super::inner::Inner;
use super::intents::{Intent, Planned};
use crate::directory::corrupt;
use crate::{
    Ack, Corruption, Error, ErrorKind, FileLog, Log, Message, NewMessage, PublishOptions, Result, Start,
};

/// How many intents may wait to be settled before a publisher settles them.
const UNSETTLED_MAX: usize = 64;

/// A part of an atomic publish, as the store sees it.
pub(super) struct Part<'a> {
    pub(super) entry: Arc<Entry>,
    pub(super) number: u32,
    pub(super) messages: &'a [NewMessage<'a>],
}

impl Inner {
    /// See [`Store::publish_to`](super::Store::publish_to).
    pub(super) fn publish_to(&self, parts: &[Part<'_>]) -> Result<Vec<Ack>> {
        let published = self.publish_parts(parts);
        match &published {
            // What is not published yet is counted when it is.
            Ok(_) | Err(Error::Unconfirmed { .. }) => {}
            Err(error) => parts.iter().for_each(|part| {
                let counters = part.entry.counters(self.layout.root().path());
                counters.rejected(error);
            }),
        }
        published
    }

    fn publish_parts(&self, parts: &[Part<'_>]) -> Result<Vec<Ack>> {
        self.check_writable()?;
        let _publishing = self.intents.publishing.read();
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|index| (parts[*index].entry.id, parts[*index].number));
        let place = |index: &usize| (parts[*index].entry.id, parts[*index].number);
        if order.windows(2).any(|pair| place(&pair[0]) == place(&pair[1])) {
            return Err(Error::Invalid("a partition has one part of an atomic publish"));
        }
        let partitions = parts
            .iter()
            .map(|part| part.entry.partition(part.number))
            .collect::<Result<Vec<_>>>()?;
        // In one order, so that two publishers do not wait for each other.
        let gates: Vec<_> = order
            .iter()
            .map(|index| partitions[*index].gate.write())
            .collect();
        let accesses: Vec<_> = parts
            .iter()
            .zip(&partitions)
            .map(|(part, partition)| Access::new(self, &part.entry, partition))
            .collect();
        let mut planned = Vec::with_capacity(parts.len());
        for (part, access) in parts.iter().zip(&accesses) {
            planned.push(self.plan(part, *access)?);
        }
        let filled: Vec<_> = parts.iter().filter(|part| !part.messages.is_empty()).collect();
        let intent = match filled.len() {
            0 | 1 => None,
            _ => Some(self.note_intent(parts, &planned, &partitions)?),
        };
        // Without an intent, the part has to be on stable storage by itself.
        let how = PublishOptions::new().sync(intent.is_none());
        let publish = |index: usize| accesses[index].alone(|log| log.append(parts[index].messages, &how));
        let acks = (0..parts.len()).map(|index| {
            let ack = publish(index)?;
            accesses[index].counters().published(parts[index].messages, &ack);
            if let Some(at) = intent {
                self.intents.done(at, index);
            }
            Ok(ack)
        });
        let acks = acks.collect::<Result<Vec<_>>>();
        self.intents
            .touched
            .note(&order.iter().map(place).collect::<Vec<_>>());
        if acks.is_err() && intent.is_some() {
            owe(&partitions);
        }
        // Settling takes gates, too.
        drop(gates);
        self.settle_soon();
        match (acks, intent) {
            (Err(error), Some(_)) => Err(Error::Unconfirmed {
                source: Box::new(error),
            }),
            (acks, _) => acks,
        }
    }

    /// Checks all that may be checked of a part, so that afterwards nothing but the system can
    /// refuse it; returns where it is to be.
    fn plan(&self, part: &Part<'_>, access: Access<'_>) -> Result<Planned> {
        self.pay(access)?;
        let policy = part.entry.record.lock().config.timestamps;
        policy.unwrap_or_default().check(part.messages)?;
        // What comes before is on stable storage, so nothing but the part takes the log beyond its
        // start, and no crash takes it below.
        let start = access.alone(|log| {
            append(log, &[])?;
            log.sync()
        })?;
        Ok(Planned {
            id: part.entry.id,
            number: part.number,
            start,
            count: u32::try_from(part.messages.len()).unwrap_or(u32::MAX),
            is_done: part.messages.is_empty(),
        })
    }

    /// Brings an intent to stable storage; returns its offset.
    fn note_intent(
        &self,
        parts: &[Part<'_>],
        planned: &[Planned],
        partitions: &[&Arc<Partition>],
    ) -> Result<u64> {
        let mut plan = Vec::with_capacity(planned.len() * Planned::LEN);
        for part in planned {
            part.put(&mut plan);
        }
        let mut batch = vec![NewMessage::value(&plan)];
        for part in parts {
            batch.extend_from_slice(part.messages);
        }
        let (_noting, ack) = loop {
            let log = self.intents_log()?;
            let noting = self.intents.noting.read();
            match log.append(&batch, &PublishOptions::new()) {
                // Somebody has opened it again.
                Err(Error::Closed) => self.check_open()?,
                Err(error) if error.kind() == ErrorKind::Unknown => {
                    // It may be there. Whoever changes one of the partitions finds out first.
                    owe(partitions);
                    return Err(error);
                }
                appended => break (noting, appended.map_err(|error| in_part(error, parts))?),
            }
        };
        let intent = Intent {
            end: ack.end.offset,
            parts: planned.to_vec(),
        };
        self.intents.note(ack.start.offset, intent);
        Ok(ack.start.offset)
    }

    /// Publishes the parts that a partition lacks. The caller holds its gate alone.
    pub(super) fn pay(&self, access: Access<'_>) -> Result<()> {
        let partition = access.partition();
        if !partition.owes.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.intents.was_used() {
            // Opened again after a failure, it says which intents there are.
            self.intents_log()?;
        }
        for (at, part) in self.intents.parts_of(access.id(), partition.number) {
            let (planned, messages) = self.read_intent(at)?;
            self.publish_part(access, &planned, &messages, part)?;
            self.intents.touched.note(&[(access.id(), partition.number)]);
            self.intents.done(at, part);
        }
        partition.owes.store(false, Ordering::Release);
        access.seal_as_noted()
    }

    /// Publishes a part of an intent, unless it is there.
    fn publish_part(
        &self,
        access: Access<'_>,
        planned: &[Planned],
        messages: &[Message],
        part: usize,
    ) -> Result<()> {
        let before: usize = planned[..part].iter().map(|part| part.count as usize).sum();
        let Planned { start, count, .. } = planned[part];
        let own = messages.get(before..before + count as usize);
        let own = own.ok_or_else(|| corrupt(&self.layout.intents_path(), 0, None, Corruption::Catalog))?;
        let own: Vec<_> = own.iter().map(Message::as_new).collect();
        let ack = access.alone(|log| {
            let is_missing = log.next_offset()? <= start && !own.is_empty();
            is_missing.then(|| append(log, &own)).transpose()
        })?;
        if let Some(ack) = ack {
            access.counters().published(&own, &ack);
        }
        Ok(())
    }

    fn read_intent(&self, at: u64) -> Result<(Vec<Planned>, Vec<Message>)> {
        loop {
            match read_intent_of(&*self.intents_log()?, at) {
                // Somebody has opened it again.
                Err(Error::Closed) => self.check_open()?,
                read => return read,
            }
        }
    }

    /// The log of intents, which is made if there is none, and opened again if it is poisoned. What
    /// it has then that is not known is noted.
    fn intents_log(&self) -> Result<Arc<FileLog>> {
        let mut open = self.intents.log.lock();
        self.intents.is_used();
        if let Some(log) = open.as_ref().filter(|log| !is_poisoned(log)) {
            return Ok(Arc::clone(log));
        }
        if let Some(poisoned) = open.take() {
            // It fails with what has poisoned it.
            let _ = poisoned.close();
        }
        let options = options_of_intents(&self.options.log);
        let log = Arc::new(options.open_in(&self.layout.make_intents()?)?);
        let mut at = log.start_offset()?;
        let end = log.next_offset()?;
        while at < end {
            let (parts, messages) = read_intent_of(&log, at)?;
            let next = at + 1 + messages.len() as u64;
            if self.intents.is_unknown(at) {
                for part in &parts {
                    if let Some(entry) = self.live_by_id(part.id) {
                        entry.partition(part.number)?.owes.store(true, Ordering::Release);
                    }
                }
                self.intents.note(at, Intent { end: next, parts });
            }
            at = next;
        }
        *open = Some(Arc::clone(&log));
        Ok(log)
    }

    /// Does what is left of the intents of an earlier life. A partition that cannot be opened keeps
    /// its part owed, and nobody else from being used.
    pub(super) fn finish_intents(&self) -> Result<()> {
        if !self.layout.has_intents()? {
            return Ok(());
        }
        self.intents_log()?;
        // What fails is tried again when intents are settled next.
        let _ = self.settle();
        Ok(())
    }

    /// Publishes what partitions lack, but for those that somebody is changing.
    fn pay_all(&self) {
        for (id, number) in self.intents.places() {
            let Some(entry) = self.live_by_id(id) else {
                continue;
            };
            let Ok(partition) = entry.partition(number) else {
                continue;
            };
            if partition.owes.load(Ordering::Acquire)
                && let Some(_alone) = partition.gate.try_write()
            {
                // Its part stays owed.
                let _ = self.pay(Access::new(self, &entry, partition));
            }
        }
    }

    /// Settles all intents, or fails. The caller sees to it that there are no new ones.
    pub(super) fn settle_all(&self) -> Result<()> {
        while self.intents.was_used() {
            self.check_writable()?;
            self.settle()?;
            if !self.intents.is_any() {
                break;
            }
            // What settling has left to those who are changing a partition, or could not do.
            for (id, number) in self.intents.places() {
                let Some(entry) = self.live_by_id(id) else {
                    continue;
                };
                let partition = entry.partition(number)?;
                let _alone = partition.gate.write();
                match self.pay(Access::new(self, &entry, partition)) {
                    // Who deletes it does not need its messages any more.
                    Err(Error::StreamDeleting { .. } | Error::NoStream { .. }) => {}
                    paid => paid?,
                }
            }
        }
        Ok(())
    }

    /// Settles intents when there are many, or has the keeper do it.
    fn settle_soon(&self) {
        if self.intents.count() >= UNSETTLED_MAX {
            // What fails is left to the next one.
            let _ = self.settle();
        } else if self.intents.is_any() {
            self.keeper.settle_later();
        }
    }

    /// Settles the intents whose parts are all done: brings these to stable storage, and trims the
    /// intents.
    pub(super) fn settle(&self) -> Result<()> {
        let _settling = self.intents.settling.lock();
        if self
            .intents
            .places()
            .iter()
            .any(|(id, _)| self.live_by_id(*id).is_none())
        {
            self.check_deleted()?;
            self.intents.forget(|id| self.live_by_id(id).is_none());
        }
        self.pay_all();
        let finished = {
            // One that is on stable storage and not noted yet must not be trimmed with those behind
            // it. Of one that may be there, the log says so when it is opened again.
            let _all_are_noted = self.intents.noting.write();
            self.intents_log()?;
            self.intents.finished()
        };
        let Some(last) = finished.last() else {
            return Ok(());
        };
        let parts = finished.iter().flat_map(|intent| &intent.parts);
        let places: BTreeSet<_> = parts.map(|part| (part.id, part.number)).collect();
        for (id, number) in places {
            let Some(entry) = self.live_by_id(id) else {
                self.check_deleted()?;
                continue;
            };
            let partition = entry.partition(number)?;
            // Nobody pays meanwhile: what is owed is not in the log that is synced.
            let _not_alone = partition.gate.read();
            if partition.owes.load(Ordering::Acquire) {
                return Ok(());
            }
            match Access::new(self, &entry, partition).sync() {
                // Who deletes it does not need its messages any more.
                Err(Error::StreamDeleting { .. } | Error::NoStream { .. }) => self.check_deleted()?,
                synced => synced?,
            }
            if partition.owes.load(Ordering::Acquire) {
                return Ok(());
            }
        }
        self.intents_log()?.trim(last.end)?;
        self.intents.settled(last.end);
        Ok(())
    }
}

/// Reads the intent at an offset: its parts, and all their messages.
pub(super) fn read_intent_of(log: &FileLog, at: u64) -> Result<(Vec<Planned>, Vec<Message>)> {
    let plan = log.get(Start::At(at))?;
    let planned = plan.value.as_deref().and_then(Planned::all);
    let planned = planned.ok_or_else(|| damaged(log))?;
    let count: usize = planned.iter().map(|part| part.count as usize).sum();
    let is_there = at + 1 + count as u64 <= log.next_offset()?;
    if !is_there {
        return Err(damaged(log));
    }
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        let from = Start::At(at + 1 + messages.len() as u64);
        let batch = log.consume(from, count - messages.len())?;
        if batch.messages.is_empty() {
            return Err(damaged(log));
        }
        messages.extend(batch);
    }
    Ok((planned, messages))
}

/// The error for a log of intents that says something unknown.
fn damaged(log: &FileLog) -> Error {
    corrupt(log.dir().path(), 0, None, Corruption::Catalog)
}

/// Has whoever changes one of these next publish first what it lacks.
fn owe(partitions: &[&Arc<Partition>]) {
    for partition in partitions {
        partition.owes.store(true, Ordering::Release);
    }
}

/// Publishes messages, or checks that it may.
fn append(log: &FileLog, messages: &[NewMessage<'_>]) -> Result<Ack> {
    log.append(messages, &PublishOptions::new())
}

/// The error of an intent, as that of the part that it is about.
fn in_part(error: Error, parts: &[Part<'_>]) -> Error {
    let Error::TooLarge {
        index: Some(index),
        size,
        limit,
    } = error
    else {
        return error;
    };
    let mut left = index.saturating_sub(1);
    for part in parts {
        if left < part.messages.len() {
            break;
        }
        left -= part.messages.len();
    }
    Error::TooLarge {
        index: Some(left),
        size,
        limit,
    }
}
