use std::path::Path;

use bytes::Bytes;

use super::frames::{Frames, Whole};
use crate::format::decode_lone_message;
use crate::{Message, Result};

/// Returns the messages that can be read in one segment file (`.log`) of a log, or in one file of
/// its subfolder `quarantine`, ascending by offset.
///
/// Damage is skipped. Whatever is returned carries the checksum of its own offset. Messages that
/// were trimmed are returned too as long as the file has them. All messages of the file are in
/// memory at once.
///
/// The call takes no lock and changes nothing. What was cut out of a segment can be verified only
/// as long as that segment is in the log or in the quarantine.
///
/// # Errors
///
/// [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Version`](crate::Error::Version) if the
/// header of the segment cannot be read; [`Error::Io`](crate::Error::Io).
pub fn messages_in(path: impl AsRef<Path>) -> Result<Vec<Message>> {
    let mut frames = Frames::open(path.as_ref())?;
    let mut messages = Vec::new();
    let mut at = frames.start();
    let end = frames.content_end();
    while at < end {
        let Some(found) = frames.at(at) else {
            at += 1;
            continue;
        };
        if let Whole::Record(record, _, offset) = &found
            && !record.control
        {
            let seed = frames.seed(*offset);
            let frame = frames.bytes(at, record.len as usize).unwrap_or_default();
            let frame = Bytes::copy_from_slice(frame);
            messages.extend(decode_lone_message(frame, record, *offset, seed));
        }
        at += found.len();
    }
    Ok(messages)
}
