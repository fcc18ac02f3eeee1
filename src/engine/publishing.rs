//! Publishing through the handle: what is left to do when a batch was appended.

use super::append::Published;
use super::file_log::FileLog;
use crate::{Error, Log, NewMessage, PublishOptions, Result};

impl FileLog {
    /// See [`Log::append`](crate::Log::append).
    #[inline]
    pub(super) fn append_batch(
        &self,
        messages: &[NewMessage<'_>],
        how: &PublishOptions<'_>,
        published: &mut Published,
    ) -> Result<()> {
        self.carry_out(published, |published| {
            self.log.append.publish(messages, how, published)
        })
    }

    /// Appends something by `append`, and does what is left to do.
    #[inline]
    pub(super) fn carry_out(
        &self,
        published: &mut Published,
        append: impl Fn(&mut Published) -> Result<()>,
    ) -> Result<()> {
        if let Err(error) = append(published) {
            self.carry_out_again(error, published, append)?;
        }
        self.act_on(published)?;
        if !published.waits {
            self.log.upkeep.pace(published.backlog_len);
            return Ok(());
        }
        // Of a batch that was there already, the caller learns the log's end as well.
        self.log.append.wait_for(published.ack.tail.offset)?;
        match published.trim_to {
            Some(before) => self.trim_by_control(before),
            None => Ok(()),
        }
    }

    /// Does what is left to do after an error, and appends once more if that has made space.
    #[cold]
    #[inline(never)]
    fn carry_out_again(
        &self,
        error: Error,
        published: &mut Published,
        append: impl Fn(&mut Published) -> Result<()>,
    ) -> Result<()> {
        self.act_on(published)?;
        self.wait_for_space(error)?;
        let appended = append(published);
        // If that poisons the log, the caller is the one to learn why.
        self.act_on(published)?;
        appended
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
        self.carry_out(&mut Published::default(), |published| {
            self.log.append.unseal(published)
        })?;
        self.log.append.show_seal();
        Ok(())
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
    fn act_on(&self, published: &mut Published) -> Result<()> {
        match published.due.take() {
            Some(due) => self.log.upkeep.act(*due),
            None => Ok(()),
        }
    }
}
