//! What the producers of a log have published: from the newest table, and from the segments behind
//! its offset.

use super::Unclosed;
use super::contents::Chain;
use crate::control::{ControlState, ProducerBatch, Producers};
use crate::format::ProducersAt;
use crate::segment::Active;
use crate::sys::Open;
use crate::{Error, Options, Result};

/// The table of producers when a log is opened, and up to which offset a file knows it.
#[derive(Debug, Default)]
pub(crate) struct FoundProducers {
    pub(crate) producers: Producers,
    pub(crate) saved: u64,
}

impl ProducersAt {
    /// Adds those of the batches that lie behind the table and end at or below `end`.
    fn add(&mut self, batches: Vec<ProducerBatch>, end: u64) {
        let behind = batches
            .into_iter()
            .filter(|batch| batch.first >= self.offset && batch.end() <= end);
        behind.for_each(|batch| self.producers.note(batch));
    }
}

impl Chain {
    /// What producers have published to a log in this state, which ends at `end`. Of segments that
    /// were walked through, `found` knows it.
    pub(crate) fn producers(
        &self,
        control: &ControlState,
        end: u64,
        found: Option<&Unclosed>,
        options: &Options,
    ) -> Result<FoundProducers> {
        if !control.has_producers {
            return Ok(FoundProducers::default());
        }
        let is_lenient = options.recover;
        let mut table = self.table(end, is_lenient)?;
        let saved = table.offset;
        // What lies behind the last whole batch is cut off, and may be sent again.
        let reached = found.map_or(end, Unclosed::reached);
        if found.is_some_and(Unclosed::is_lossy) {
            table.producers = table.producers.up_to(reached, &Producers::default());
        }
        for base in self.with_batches_from(saved, end)? {
            let walked = found.and_then(|found| found.walked.iter().find(|walked| walked.base() == base));
            let batches = match walked {
                Some(walked) => walked.records_told.batches.clone(),
                None => self.batches_in(base, is_lenient)?,
            };
            table.add(batches, reached);
        }
        Ok(FoundProducers {
            producers: table.producers,
            saved,
        })
    }

    /// What producers have published to a damaged log, as far as it can be read.
    pub(crate) fn producers_left(&self, end: u64) -> Result<Producers> {
        let mut table = self.table(end, true)?;
        for base in self.with_batches_from(table.offset, end)? {
            table.add(self.batches_in(base, true)?, end);
        }
        Ok(table.producers)
    }

    /// The newest table, or an empty one. One that is damaged is an error, or else is passed over.
    fn table(&self, end: u64, is_lenient: bool) -> Result<ProducersAt> {
        let table = match self.directory.load_producers(end) {
            Err(Error::Corrupt { .. }) if is_lenient => None,
            other => other?,
        };
        Ok(table.unwrap_or(ProducersAt {
            offset: 0,
            producers: Producers::default(),
        }))
    }

    /// The batches of producers in one segment.
    fn batches_in(&self, base: u64, is_lenient: bool) -> Result<Vec<ProducerBatch>> {
        match Active::adopt_told(&self.directory, base, None, None) {
            Err(Error::Corrupt { .. }) if is_lenient => Ok(Vec::new()),
            other => Ok(other?.2.batches),
        }
    }

    /// The segments, oldest first, that may have batches of producers from `offset` on.
    fn with_batches_from(&self, offset: u64, end: u64) -> Result<Vec<u64>> {
        let first = self
            .bases
            .partition_point(|base| *base <= offset)
            .saturating_sub(1);
        let mut bases = Vec::new();
        if offset >= end {
            return Ok(bases);
        }
        for base in self.bases.get(first..).unwrap_or_default().iter().rev() {
            bases.push(*base);
            match self.directory.open_segment(*base, Open::Read) {
                // No producer has published anything in front of it.
                Ok((_, header)) if !header.control.has_producers => break,
                Ok(_) | Err(Error::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        bases.reverse();
        Ok(bases)
    }
}
