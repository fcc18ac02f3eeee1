use std::path::Path;

use duramen::{Error, ImportReport, Log, Message, Options, Result};
use s2_sdk::types::SequencedRecord;

use crate::log::S2Log;
use crate::reading;
use crate::record::{self, Content};
use crate::remote::COUNT_MAX;

/// Makes a log of what the stream has now, in `dir`, with the indexes that `options` ask for.
///
/// If a [`Mirror`](crate::Mirror) has shipped the stream, messages have the offsets that they had
/// in the log, with its gaps; what came before the first one is as if trimmed. The next offset is
/// one above that of the last message: if the log went on without messages, that is not in the
/// stream. Else they have the offsets of the stream. The new log has a life of its own, and no
/// control records. So a mirror of it goes to a new stream.
///
/// `progress` is called with the number of messages so far.
///
/// # Errors
///
/// Until this returns, the directory is known as [`Unfinished`](Error::Unfinished). After an error,
/// call it again: it begins anew.
///
/// - [`Invalid`](Error::Invalid) for a directory that holds a log, and for a stream in which
///   messages of a mirror are mixed with others, or do not go up.
/// - [`Remote`](Error::Remote), and those of [`Options::import`] and what it returns.
pub fn restore_from_s2(
    log: &S2Log,
    dir: impl AsRef<Path>,
    options: &Options,
    mut progress: impl FnMut(u64),
) -> Result<ImportReport> {
    let mut import = options.import(dir)?;
    let (mut messages, mut is_mirror) = (0, None);
    let (mut at, end) = (start(log)?, log.next_offset()?);
    let mut next_offset = at;
    while at < end {
        let page = page(log, at)?;
        if page.first().is_none_or(|record| record.seq_num != at) {
            return Err(Error::Invalid(
                "the stream was trimmed while it was restored: restore it again",
            ));
        }
        for record in page {
            at = record.seq_num + 1;
            let Some((offset, message, mirrored)) = read(record) else {
                continue;
            };
            if *is_mirror.get_or_insert(mirrored) != mirrored {
                return Err(Error::Invalid(
                    "the stream mixes messages of a mirror with others",
                ));
            }
            match import.push(offset, &message.as_new()) {
                Err(Error::OffsetMismatch { .. }) => {
                    return Err(Error::Invalid(
                        "the stream has two messages of a log, or not in order",
                    ));
                }
                pushed => pushed?,
            }
            messages += 1;
            next_offset = offset + 1;
        }
        progress(messages);
    }
    if is_mirror != Some(true) {
        // As far as the stream goes, with the control records at its end.
        next_offset = at.max(next_offset);
    }
    import.finish(next_offset)
}

/// The next records from there on.
fn page(log: &S2Log, at: u64) -> Result<Vec<SequencedRecord>> {
    log.ask(|remote, _| async move { Ok(remote.page_at(at, COUNT_MAX).await?.records) })
}

fn start(log: &S2Log) -> Result<u64> {
    log.ask(|remote, floor| async move { reading::start(&remote, floor).await })
}

/// The message of the record, its offset in the log to be, and whether a mirror has shipped it.
fn read(record: SequencedRecord) -> Option<(u64, Message, bool)> {
    let origin = record::origin(&record);
    match record::content(record) {
        Content::Message(message) => {
            let offset = origin.map_or(message.offset, |origin| origin.offset);
            Some((offset, message, origin.is_some()))
        }
        Content::Control(_) => None,
    }
}
