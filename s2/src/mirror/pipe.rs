//! What is on its way to the stream.

use std::collections::VecDeque;
use std::sync::Arc;

use duramen::{Error, ErrorKind, Message, Position, Result, Token};
use s2_sdk::append_session::{AppendSession, AppendSessionConfig, BatchSubmitTicket};
use s2_sdk::error::{AppendError, AppendSessionError};
use s2_sdk::types::{AppendInput, AppendRecord, AppendRecordBatch, FencingToken, MeteredBytes};

use super::{MirrorProgress, Place};
use crate::append::SIZE_MAX;
use crate::failure::{of_append, remote, unconfirmed};
use crate::log::Shared;
use crate::record::{self, Marks, Origin};
use crate::remote::COUNT_MAX;

/// How many batches are under way at once.
pub(super) const IN_FLIGHT_MAX: usize = 16;

/// How many bytes are under way at once. The time limit of each batch runs from when it is handed
/// over, so with more of them a slow connection would be given up.
const UNACKED_MAX: u32 = 2 << 20;

/// A session of appends, each of which expects its place.
pub(super) struct Pipe {
    target: Arc<Shared>,
    token: FencingToken,
    session: Arc<AppendSession>,
    /// The sequence number of the next record.
    next_record: u64,
    /// The offset in the log of the next message to send.
    pub(super) next_offset: u64,
    sent: VecDeque<Sent>,
}

struct Sent {
    ticket: BatchSubmitTicket,
    /// The sequence number that it expects.
    expected: u64,
    shipped: Shipped,
}

/// What one batch adds to the progress.
#[derive(Clone, Copy, Debug)]
struct Shipped {
    next_offset: u64,
    messages: u64,
    bytes: u64,
    gaps: u64,
}

impl Pipe {
    /// A session that goes on there.
    pub(super) fn connect(target: &Arc<Shared>, token: &FencingToken, place: &Place) -> Result<Pipe> {
        let stream = target.remote.stream.clone();
        let config = AppendSessionConfig::new().with_max_unacked_bytes(UNACKED_MAX);
        let config = config.map_err(|_| Error::Invalid("the limit of a session"))?;
        // Its task belongs to the runtime.
        let session = target
            .bridge
            .run(async move { Ok(stream.append_session(config)) })?;
        Ok(Pipe {
            target: Arc::clone(target),
            token: token.clone(),
            session: Arc::new(session),
            next_record: place.record,
            next_offset: place.offset,
            sent: VecDeque::new(),
        })
    }

    /// Sends as many of the messages, of which there are some, as make a batch, and returns how
    /// many that are. `position` tells in which life a message was published.
    pub(super) fn send(
        &mut self,
        messages: &[Message],
        position: impl Fn(u64) -> Result<Position>,
    ) -> Result<usize> {
        let now = &messages[..fitting(messages)];
        let Some(last) = now.last() else {
            return Err(messages.first().map_or(Error::NotFound, too_large));
        };
        let life = position(last.offset).ok().map(|position| position.life);
        let records = now.iter().map(|message| {
            let origin = Origin {
                offset: message.offset,
                life: life.filter(|_| message.offset == last.offset),
            };
            let marks = Marks {
                nonce: None,
                origin: Some(origin),
            };
            record::of_message(&message.as_new(), marks)
        });
        let refused = |_| Error::Invalid("S2 does not take the messages");
        let records: Vec<AppendRecord> = records.collect::<Result<_, _>>().map_err(refused)?;
        let batch = AppendRecordBatch::try_from_iter(records).map_err(refused)?;
        let shipped = Shipped {
            next_offset: last.offset + 1,
            messages: now.len() as u64,
            bytes: batch.metered_bytes() as u64,
            gaps: (last.offset + 1 - self.next_offset) - now.len() as u64,
        };
        let input = AppendInput::new(batch)
            .with_match_seq_num(self.next_record)
            .with_fencing_token(self.token.clone());
        let session = Arc::clone(&self.session);
        let ticket = self
            .target
            .bridge
            .run(async move { Ok(session.submit(input).await) })?;
        let ticket = ticket.map_err(|error| self.failure(error, self.next_record))?;
        self.sent.push_back(Sent {
            ticket,
            expected: self.next_record,
            shipped,
        });
        self.next_record += shipped.messages;
        self.next_offset = shipped.next_offset;
        Ok(now.len())
    }

    /// Passes over offsets that have no message, behind the last one that was sent.
    pub(super) fn pass_to(&mut self, next_offset: u64, progress: &mut MirrorProgress) {
        let gaps = next_offset.saturating_sub(self.next_offset);
        self.next_offset += gaps;
        if let Some(last) = self.sent.back_mut() {
            last.shipped.next_offset = self.next_offset;
            last.shipped.gaps += gaps;
        } else {
            progress.next_offset = self.next_offset;
            progress.gaps += gaps;
        }
    }

    /// Waits until at most so many batches are under way.
    pub(super) fn settle(&mut self, left: usize, progress: &mut MirrorProgress) -> Result<()> {
        while self.sent.len() > left
            && let Some(Sent {
                ticket,
                expected,
                shipped,
            }) = self.sent.pop_front()
        {
            let acked = self.target.bridge.run(async move { Ok(ticket.await) })?;
            acked.map_err(|error| self.failure(error, expected))?;
            progress.next_offset = shipped.next_offset;
            progress.messages += shipped.messages;
            progress.bytes += shipped.bytes;
            progress.gaps += shipped.gaps;
        }
        Ok(())
    }

    fn failure(&self, error: AppendSessionError, expected: u64) -> Error {
        let error = match error {
            AppendSessionError::Append(error) => error,
            AppendSessionError::IndefiniteFailure { final_attempt_error } => {
                return self.failure(*final_attempt_error, expected);
            }
            other => return unconfirmed(remote("append", ErrorKind::Unknown, other)),
        };
        let error = match error {
            AppendError::IndefiniteFailure { final_attempt_error } => *final_attempt_error,
            other => other,
        };
        let token = Token::new(&self.token).ok();
        of_append(&self.target.remote.name, error).into_error(Some(expected), token)
    }
}

/// How many of the messages one append holds.
fn fitting(messages: &[Message]) -> usize {
    let mut size = 0;
    let fit = messages.iter().take(COUNT_MAX).take_while(|message| {
        size += record::size(&message.as_new()) + record::ORIGIN_SIZE;
        size <= SIZE_MAX
    });
    fit.count()
}

pub(super) fn too_large(message: &Message) -> Error {
    Error::TooLarge {
        index: Some(0),
        size: record::size(&message.as_new()) + record::ORIGIN_SIZE,
        limit: SIZE_MAX,
    }
}
