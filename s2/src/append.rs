//! Appending, so that it is known what became of it.
//!
//! If the answer is lost, the records may be in the stream, or still be on their way. An append
//! that expects its offset can be sent again: S2 takes at most one of those that expect the same.
//! Its first record has random bytes, by which it is recognised in the place where it was to be:
//! another writer may have written the same messages there.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use duramen::{Backoff, Control, Error, NewMessage, PublishOptions, Result, Token};
use s2_sdk::types::{
    AppendAck, AppendInput, AppendRecord, AppendRecordBatch, CommandRecord, FencingToken, MeteredBytes,
    SequencedRecord, StreamPosition,
};

use crate::failure::{Refused, of_append, unconfirmed};
use crate::record::{self, Marks, NONCE_LEN};
use crate::remote::{COUNT_MAX, Remote};

/// The most bytes in one append, as S2 counts them.
pub(crate) const SIZE_MAX: u64 = 1 << 20;

/// How long to wait before an append is sent again.
const PAUSE: Backoff = Backoff::new()
    .first(Duration::from_millis(200))
    .max(Duration::from_secs(2));

/// An append, ready to be sent.
#[derive(Debug)]
pub(crate) struct Append {
    records: Vec<AppendRecord>,
    expect: Option<u64>,
    token: Option<Token>,
    /// What is at the first message, if an offset is expected. A control record has no place
    /// for it.
    nonce: Option<[u8; NONCE_LEN]>,
}

/// What is where an append was to be.
enum Slot {
    /// These records.
    Ours(Box<AppendAck>),
    /// Others. The stream ends there.
    Others(u64),
    /// Nothing yet.
    Free,
    /// It cannot be told any more whose they were, or are.
    Gone,
}

impl Append {
    /// The append of these messages and control records.
    ///
    /// # Errors
    ///
    /// - [`Error::TooLarge`] for more than 1,000 records or 1 MiB, as S2 counts.
    /// - [`Error::NotSupported`] for what S2 does not know.
    pub(crate) fn new(messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Append> {
        if how.producer_sequence().is_some() {
            return Err(Error::NotSupported("producers"));
        }
        if how.expected_key().is_some() {
            return Err(Error::NotSupported("expected keys"));
        }
        let controls: Vec<Control> = how.control_records()?.collect();
        let expect = how.expected_next_offset();
        let nonce = (expect.is_some() && !messages.is_empty()).then(nonce);
        let mut records = Vec::with_capacity(messages.len() + controls.len());
        let mut size = 0;
        for (index, message) in messages.iter().enumerate() {
            let marks = Marks {
                nonce: nonce.filter(|_| index == 0),
                origin: None,
            };
            let marked = marks.nonce.map_or(0, |_| record::NONCE_SIZE);
            check_size(Some(index), record::size(message) + marked)?;
            let record = record::of_message(message, marks);
            let record = record.map_err(|_| Error::Invalid("S2 does not take the message"))?;
            size += record.metered_bytes() as u64;
            records.push(record);
        }
        for control in controls {
            let record = record::of_control(control).ok_or(Error::NotSupported("seals"))?;
            size += record.metered_bytes() as u64;
            records.push(record);
        }
        check_size(None, size)?;
        if records.len() > COUNT_MAX {
            return Err(Error::TooLarge {
                index: None,
                size: records.len() as u64,
                limit: COUNT_MAX as u64,
            });
        }
        Ok(Append {
            records,
            expect,
            token: how.expected_token(),
            nonce,
        })
    }

    /// A fence in this place. It has the earliest time, so that it raises that of no record behind
    /// it.
    pub(crate) fn fence(token: FencingToken, expect: u64) -> Append {
        Append {
            records: vec![CommandRecord::fence(token).with_timestamp(0).into()],
            expect: Some(expect),
            token: None,
            nonce: None,
        }
    }

    /// Whether there is nothing to append.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Appends the records, of which there are some, to the stream.
    ///
    /// # Errors
    ///
    /// - [`Error::OffsetMismatch`], [`Error::Fenced`]: nothing was written.
    /// - [`Error::Unconfirmed`] if it is not known whether the records were written.
    /// - [`Error::Remote`] and others if nothing was written.
    pub(crate) async fn send(self, remote: &Remote) -> Result<AppendAck> {
        let mut input = AppendInput::new(
            AppendRecordBatch::try_from_iter(self.records.iter().cloned())
                .map_err(|_| Error::Invalid("S2 does not take the batch"))?,
        );
        input.match_seq_num = self.expect;
        if let Some(token) = self.token {
            let token = token.as_str().parse();
            input =
                input.with_fencing_token(token.map_err(|_| Error::Invalid("S2 does not take the token"))?);
        }
        let (mut attempt, mut doubt) = (0, None);
        loop {
            let refused = match remote.stream.append(input.clone()).await {
                Ok(ack) => return Ok(ack),
                Err(error) => of_append(&remote.name, error),
            };
            attempt += 1;
            match (self.expect, refused) {
                (Some(expected), Refused::Unknown(error)) => match self.slot(remote, expected).await {
                    Ok(Slot::Ours(ack)) => return Ok(*ack),
                    Ok(Slot::Others(actual)) => return Err(mismatch(expected, actual)),
                    // It may still be on its way: whichever comes first is the only one.
                    Ok(Slot::Free) | Err(_) if attempt < remote.attempts => doubt = Some(error),
                    _ => return Err(unconfirmed(error)),
                },
                (Some(expected), refused) if doubt.is_some() => {
                    return self.resolve(remote, expected, refused, doubt).await;
                }
                (_, refused) => return Err(self.error(refused)),
            }
            tokio::time::sleep(PAUSE.delay(attempt - 1)).await;
        }
    }

    /// What became of an append that was sent before, too.
    async fn resolve(
        &self,
        remote: &Remote,
        expected: u64,
        refused: Refused,
        doubt: Option<Error>,
    ) -> Result<AppendAck> {
        let doubt = |refused| doubt.map_or_else(|| self.error(refused), unconfirmed);
        match self.slot(remote, expected).await {
            Ok(Slot::Ours(ack)) => Ok(*ack),
            Ok(Slot::Others(actual)) => Err(match refused {
                Refused::Token(_) => self.error(refused),
                _ => mismatch(expected, actual),
            }),
            // Whoever has fenced the stream has done so in this place or further on. So what is on
            // its way will not be written either.
            Ok(Slot::Free) if matches!(refused, Refused::Token(_)) => Err(self.error(refused)),
            Ok(Slot::Free | Slot::Gone) | Err(_) => Err(doubt(refused)),
        }
    }

    fn error(&self, refused: Refused) -> Error {
        refused.into_error(self.expect, self.token)
    }

    async fn slot(&self, remote: &Remote, expected: u64) -> Result<Slot> {
        let count = self.records.len();
        let page = remote.page_at(expected, count).await?;
        let Some(first) = page.records.first() else {
            let end = page.end.map_or(expected, |end| end.seq_num);
            return Ok(if end > expected { Slot::Gone } else { Slot::Free });
        };
        if first.seq_num != expected {
            return Ok(Slot::Gone);
        }
        let tail = remote.tail().await?;
        let end = expected + count as u64;
        let is_ours = match &self.nonce {
            Some(nonce) => record::nonce(first) == Some(nonce),
            // Somebody else may have appended the same.
            None if self.records.first().is_some_and(|ours| is_same(ours, first)) => return Ok(Slot::Gone),
            None => false,
        };
        if !is_ours {
            return Ok(Slot::Others(tail.seq_num));
        }
        let last = page.records.last().unwrap_or(first);
        let (start, end) = (
            StreamPosition::new(expected, first.timestamp),
            StreamPosition::new(end, last.timestamp),
        );
        Ok(Slot::Ours(Box::new(AppendAck::new(start, end, tail))))
    }
}

fn is_same(ours: &AppendRecord, theirs: &SequencedRecord) -> bool {
    ours.body() == &*theirs.body && ours.headers() == theirs.headers
}

fn mismatch(expected: u64, actual: u64) -> Error {
    Error::OffsetMismatch { expected, actual }
}

fn check_size(index: Option<usize>, size: u64) -> Result<()> {
    if size <= SIZE_MAX {
        return Ok(());
    }
    Err(Error::TooLarge {
        index,
        size,
        limit: SIZE_MAX,
    })
}

/// Bytes that nobody else has, nor a fork of this process, which has the same random state.
fn nonce() -> [u8; NONCE_LEN] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; NONCE_LEN];
    for chunk in bytes.chunks_mut(8) {
        let own = (
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            SystemTime::now(),
        );
        let random = RandomState::new().hash_one(own);
        chunk.copy_from_slice(&random.to_le_bytes()[..chunk.len()]);
    }
    bytes
}
