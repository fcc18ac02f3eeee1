//! Finding messages by time.

use super::reader::{Reader, message};
use crate::segment::{ReadFault, SegmentRef, SegmentSnapshot};
use crate::{Error, IndexKind, Message, Result, Timestamp};

impl Reader<'_> {
    /// How many segments directly behind the first have only times before `time`.
    ///
    /// This is a binary search over running maxima, which are gathered once for each list of
    /// segments. Segments that are not sealed may still get later times: they are not counted, and
    /// have to be searched.
    fn reached_by(&self, time: i64) -> Result<usize> {
        let maxima = if let Some(maxima) = self.list.time_maxima.get() {
            maxima
        } else {
            let maxima = self.time_maxima()?;
            self.list.time_maxima.fill(maxima)
        };
        Ok(maxima.partition_point(|reached| *reached < time))
    }

    fn time_maxima(&self) -> Result<Vec<i64>> {
        let mut maxima = Vec::new();
        let mut reached = i64::MIN;
        for segment in self.list.segments.iter().skip(1) {
            let SegmentRef::Sealed(sealed) = segment else {
                break;
            };
            let max = match sealed.time_max() {
                Some(max) => max,
                None => match self.read(segment, |opened| Ok(opened.time_max().unwrap_or(i64::MIN))) {
                    // From a segment that cannot be opened on, segments are searched one by one.
                    Err(Error::Corrupt { .. } | Error::Io { .. }) => break,
                    other => other?,
                },
            };
            reached = reached.max(max);
            maxima.push(reached);
        }
        Ok(maxima)
    }

    /// The first message whose time is at or after `time`. At that message, the running maximum of
    /// the times reaches `time`.
    pub(crate) fn first_at_or_after(&self, time: Timestamp) -> Result<Message> {
        if !self.segments.directory.kinds.time {
            return Err(self.segments.directory.no_index(IndexKind::Time));
        }
        let segments = &self.list.segments;
        // The first segment may be trimmed in part, so it is searched by itself.
        let behind = match segments.get(1..) {
            Some(rest) if !rest.is_empty() => self.reached_by(time.as_micros())?,
            _ => 0,
        };
        for segment in segments.iter().take(1).chain(segments.iter().skip(1 + behind)) {
            let found = self.read(segment, |opened| {
                if opened.time_max().is_none_or(|max| max < time.as_micros()) {
                    return Ok(None);
                }
                let (first, _) = opened.find(self.list.start_offset)?;
                match opened.first_at_or_after(time.as_micros())? {
                    Some(ordinal) if ordinal >= first => message(opened, ordinal),
                    // That message was trimmed: search from the first that was not.
                    Some(_) => first_from(opened, time, first),
                    None => Ok(None),
                }
            })?;
            if let Some(message) = found {
                return Ok(message);
            }
        }
        Err(Error::NotFound)
    }
}

/// The first message from the record `ordinal` on whose own time is at or after `time`; looks at
/// one record after the other.
fn first_from(
    opened: &SegmentSnapshot<'_>,
    time: Timestamp,
    ordinal: u32,
) -> Result<Option<Message>, ReadFault> {
    for ordinal in ordinal..opened.count() {
        let message = message(opened, ordinal)?.filter(|found| found.time >= time);
        if message.is_some() {
            return Ok(message);
        }
    }
    Ok(None)
}
