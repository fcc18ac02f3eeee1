//! Reading for logs that are implemented elsewhere.

use super::contract::Log;
use super::reading::{Reading, Record};
use crate::{Control, ControlRecord, Message, ReadBatch, ReadOptions, Result, Start};

impl ReadBatch {
    /// Reads as [`Log::read`](crate::Log::read) does, control records included. For implementations
    /// of [`Log`](crate::Log) that have some.
    ///
    /// `source` gives all records from an offset in the log on, in offset order: at most so many
    /// messages, so many control records, and the offset behind them. It may give fewer, but for
    /// none at all it has to give an offset beyond the one asked for.
    ///
    /// # Errors
    ///
    /// As `Log::read`, and those of `source`.
    pub fn gather<L: Log + ?Sized>(
        log: &L,
        from: Start,
        how: &ReadOptions,
        mut source: impl FnMut(u64, usize) -> Result<(Vec<Message>, Vec<ControlRecord>, u64)>,
    ) -> Result<ReadBatch> {
        Reading::run(log, from, how, |offset, count| {
            let (messages, controls, next_offset) = source(offset, count)?;
            let controls = controls.into_iter().filter(|_| how.control);
            let controls = controls.map(|record| {
                let content = record.control.map(Control::content);
                Record::control(record, content.map_or(0, |content| content.as_bytes().len()))
            });
            let mut records: Vec<Record> = messages
                .into_iter()
                .map(Record::Message)
                .chain(controls)
                .collect();
            records.sort_by_key(Record::offset);
            Ok((records, next_offset))
        })
    }
}
