//! Publishing through the handle: what is left to do when a batch was appended.

use super::append::Rest;
use super::file_log::FileLog;
use crate::{Ack, Log, NewMessage, PublishOptions, Result};

impl FileLog {
    /// See [`Log::append`].
    #[inline]
    pub(super) fn append_batch(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        let mut rest = Rest::default();
        let published = self.with_space(|| {
            let published = self.log.append.publish(messages, how, &mut rest);
            if published.is_err() {
                self.act_on(&mut rest)?;
            }
            published
        });
        let acted = self.act_on(&mut rest);
        let ack = published?;
        acted?;
        if rest.waits {
            // Of a batch that was there already, the caller learns the log's end as well.
            self.log.append.wait_for(ack.tail.offset)?;
            if let Some(before) = rest.trim_to {
                self.trim_by_control(before)?;
            }
        } else {
            self.log.upkeep.pace(rest.backlog_len);
        }
        Ok(ack)
    }

    /// Opens a sealed log again, for publishing. Does nothing if it is not sealed.
    ///
    /// # Durability
    ///
    /// The log is open on stable storage when this returns.
    ///
    /// # Errors
    ///
    /// As [`Log::publish`].
    pub fn unseal(&self) -> Result<()> {
        self.append_apart(|rest| self.log.append.unseal(rest))?;
        self.log.append.show_seal();
        Ok(())
    }

    /// Appends something by `append`, which returns the next offset, and waits until it is durable.
    pub(super) fn append_apart(&self, append: impl Fn(&mut Rest) -> Result<u64>) -> Result<u64> {
        let mut rest = Rest::default();
        let appended = self.with_space(|| {
            let appended = append(&mut rest);
            if appended.is_err() {
                self.act_on(&mut rest)?;
            }
            appended
        });
        let acted = self.act_on(&mut rest);
        let next_offset = appended?;
        acted?;
        self.log.append.wait_for(next_offset)?;
        Ok(next_offset)
    }

    /// Trims to where control records say, if the process died after they were durable and before
    /// the log was trimmed.
    pub(super) fn trim_as_told(&self) -> Result<()> {
        let before = self.log.append.trim_to();
        if before > self.start_offset()? && !self.log.health().is_read_only() {
            self.trim_by_control(before)?;
        }
        Ok(())
    }

    /// Trims to where a control record says that is durable. Where that fails without poisoning the
    /// log, the trimmed messages are hidden all the same, and the next trim or open removes them:
    /// the batch of the control record is in the log.
    fn trim_by_control(&self, before: u64) -> Result<()> {
        match self.trim(before) {
            Err(error) if self.log.health().is_poisoned() => Err(error),
            Err(_) => {
                let segments = &self.log.segments;
                segments.change(|list| list.start_offset = list.start_offset.max(before));
                self.log.health().changes().notify();
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    #[inline]
    fn act_on(&self, rest: &mut Rest) -> Result<()> {
        match rest.due.take() {
            Some(due) => self.log.upkeep.act(*due),
            None => Ok(()),
        }
    }
}
