//! The steps that take messages out of a log, copy it, or repair it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use duramen::{Log, Result, Start};

use super::history::{Copy, Promise, Removed};
use super::run::Run;
use super::workload::Step;

impl Run {
    /// The messages that are in the log: offset and key.
    fn messages(&mut self) -> Result<Vec<(u64, Option<Vec<u8>>)>> {
        let log = self.open()?;
        let (mut all, mut from) = (Vec::new(), log.start_offset()?);
        loop {
            let batch = log.consume(Start::At(from), 64)?;
            if batch.next_offset == from {
                return Ok(all);
            }
            from = batch.next_offset;
            let messages = batch.messages.into_iter();
            all.extend(messages.map(|message| (message.offset, message.key.as_deref().map(<[u8]>::to_vec))));
        }
    }

    /// Which messages a step deletes.
    fn named(&mut self, step: Step) -> Result<BTreeSet<u64>> {
        let messages = self.messages()?;
        let newest: BTreeMap<_, _> = messages
            .iter()
            .filter_map(|(offset, key)| Some((key.clone()?, *offset)))
            .collect();
        let count = messages.len();
        let is_named = |index: usize, (offset, key): &(u64, Option<Vec<u8>>)| match step {
            Step::DeleteFirst => index == 0,
            Step::DeleteMiddle => index == count / 2,
            Step::DeleteLast => index + 1 == count,
            Step::Compact => key.as_ref().is_some_and(|key| newest[key] != *offset),
            Step::Merge => offset % 4 != 0,
            _ => true,
        };
        let all = messages.iter().enumerate();
        Ok(all
            .filter(|(index, message)| is_named(*index, message))
            .map(|(_, message)| message.0)
            .collect())
    }

    /// Deletes a segment's messages at a time, of which each is all or nothing.
    pub(super) fn delete(&mut self, step: Step) -> Result<()> {
        let mut left = self.named(step)?;
        while !left.is_empty() {
            let (before, bases, point) = (left.clone(), self.bases(), self.disk.point());
            let deleted = self.open()?.delete_some(&mut left);
            let mut named: BTreeSet<u64> = before.difference(&left).copied().collect();
            if deleted.is_err() && named.is_empty() {
                // Those in the first segment that has any may be gone.
                let end = bases
                    .into_iter()
                    .find(|base| before.first().is_some_and(|first| base > first));
                named = before.range(..end.unwrap_or(u64::MAX)).copied().collect();
            }
            // The retention policy has taken these already.
            named.retain(|offset| *offset >= self.start);
            let done = deleted.is_ok().then(|| self.disk.point());
            if let Ok(deleted) = &deleted {
                assert_eq!(
                    deleted.messages,
                    named.len() as u64,
                    "G4: deleted another number of messages than was named"
                );
            }
            self.history.remove(Removed::Offsets(named), point, done);
            // A segment that was begun so that another could be rewritten has it applied.
            self.note_policy(point)?;
            deleted?;
            self.note_promise()?;
        }
        Ok(())
    }

    pub(super) fn trim(&mut self, to: impl Fn(u64, u64) -> u64) -> Result<()> {
        let point = self.disk.point();
        let log = self.open()?;
        let before = to(log.start_offset()?, log.next_offset()?);
        let trimmed = log.trim(before);
        self.after_trim(trimmed.map(drop), before, point)
    }

    pub(super) fn retain(&mut self) -> Result<()> {
        let point = self.disk.point();
        let before = self.first_kept()?;
        let trimmed = self.open()?.apply_retention(false);
        self.after_trim(trimmed.map(drop), before, point)
    }

    /// Where the retention policy says that the log is to begin.
    pub(super) fn first_kept(&mut self) -> Result<u64> {
        let kept = self.config.kept_max.map_or(usize::MAX, |kept| kept as usize);
        let messages = self.messages()?;
        let first = messages
            .len()
            .checked_sub(kept)
            .and_then(|first| messages.get(first));
        first.map_or(self.open()?.start_offset(), |first| Ok(first.0))
    }

    fn after_trim(&mut self, trimmed: Result<()>, before: u64, point: usize) -> Result<()> {
        if trimmed.is_err() {
            self.history.remove(Removed::Before(before), point, None);
            return trimmed;
        }
        self.note_start(point)?;
        let start = self.open()?.start_offset()?;
        assert_eq!(start, before, "G4: the log begins elsewhere");
        self.note_promise()
    }

    pub(super) fn backup(&mut self) -> Result<()> {
        let offsets = self.messages()?.into_iter().map(|message| message.0).collect();
        let dir = self.config.copy().dir;
        let begun = self.disk.point();
        let log = self.open()?;
        let stats = log.stat()?;
        let done = log.backup(Path::new(dir));
        self.history.copies.push(Copy {
            begun,
            done: done.is_ok().then(|| self.disk.point()),
            start: stats.start_offset,
            next: stats.next_offset,
            epoch: stats.epoch,
            offsets,
        });
        done.map(drop)
    }

    pub(super) fn recover(&mut self) -> Result<()> {
        let options = self.config.options(&self.disk);
        let report = match duramen::recover(self.config.dir, &options) {
            Err(duramen::Error::NoLog { .. }) if self.history.next_offset() == 0 => return Ok(()),
            other => other?,
        };
        assert!(report.dropped.is_empty(), "G1: dropped {:?}", report.dropped);
        assert_eq!(
            report.next_offset,
            self.history.next_offset(),
            "G2: recovered another next offset"
        );
        self.history.promise(Promise {
            point: self.disk.point(),
            durable: report.next_offset,
            seen: report.next_offset,
            epoch: report.epoch,
        });
        self.disk.note("recovered");
        Ok(())
    }
}
