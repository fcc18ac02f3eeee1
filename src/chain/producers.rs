//! What the producers of a log have published: from the newest table, and from the segments behind
//! its offset.

use super::Unclosed;
use super::contents::Chain;
use crate::control::{ControlState, Producers};
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
        let table = match self.directory.load_producers(end) {
            Err(Error::Corrupt { .. }) if options.recover => None,
            other => other?,
        };
        let ProducersAt {
            offset,
            mut producers,
        } = table.unwrap_or(ProducersAt {
            offset: 0,
            producers: Producers::default(),
        });
        let saved = offset;
        // What lies behind the last whole batch is cut off.
        let reached = found.map_or(end, Unclosed::reached);
        for base in self.with_batches_from(offset, end)? {
            let walked = found.and_then(|found| found.walked.iter().find(|walked| walked.base() == base));
            let told = match walked {
                Some(walked) => walked.records_told.batches.clone(),
                None => match Active::adopt_told(&self.directory, base, None, None) {
                    Err(Error::Corrupt { .. }) if options.recover => continue,
                    other => other?.2.batches,
                },
            };
            let behind = told
                .into_iter()
                .filter(|batch| batch.first >= offset && batch.end() <= reached);
            behind.for_each(|batch| producers.note(batch));
        }
        Ok(FoundProducers { producers, saved })
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
