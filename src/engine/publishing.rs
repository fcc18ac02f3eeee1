//! Publishing through the handle: what is left to do when a batch was appended.

use super::append::Published;
use super::file_log::FileLog;
use crate::log::Timed;
use crate::{Error, Job, Log, NewMessage, PublishOptions, Result};

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
        let wait = || self.log.append.wait_for(published.ack.tail.offset);
        self.log.health().meter().time(Timed::Wait, wait)?;
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

    /// Whether the log was sealed, as far as this handle knows without looking.
    pub(crate) fn was_sealed(&self) -> bool {
        self.log.append.sealed_at() != u64::MAX
    }

    /// Applies the retention policy as the background does: no more comes due by age than time has
    /// passed.
    pub(crate) fn retain(&self) {
        self.log.upkeep.retain();
    }

    /// Closes this handle and opens the log again, with the same options: for a handle that is
    /// [`Poisoned`](crate::Error::Poisoned), and for one that was closed.
    ///
    /// The new handle is of the directory of this one, wherever that is now. This handle hands its
    /// lock on: nobody else can open the log in between. If it was closed before, it has no lock
    /// any more, and the log is opened as by [`Options::open`](crate::Options::open), which waits
    /// for others as long as the options say. No log is created.
    ///
    /// From now on, every call on this handle fails with [`Closed`](crate::Error::Closed). Calls
    /// that wait on other threads return, messages that were read stay valid, and readers go on
    /// with the new handle at the offset where they were. A batch whose publish failed may or may
    /// not be in the log, as after every [`SyncFailed`](crate::Error::SyncFailed).
    ///
    /// ```
    /// use duramen::{Error, Log, NewMessage, Options};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let mut log = Options::new().open(dir.path())?;
    /// for number in 0..3_u8 {
    ///     match log.publish(&[NewMessage::value(&[number])]) {
    ///         Err(Error::SyncFailed { .. } | Error::Poisoned { .. }) => log = log.reopen()?,
    ///         published => drop(published?),
    ///     }
    /// }
    /// let again = log.reopen()?;
    /// assert!(matches!(log.next_offset(), Err(Error::Closed)));
    /// assert_eq!(again.next_offset()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Options::open`](crate::Options::open): the handle is closed, and this may be
    /// called again. [`Forked`](crate::Error::Forked).
    pub fn reopen(&self) -> Result<FileLog> {
        let (closed, lock) = self.log.close_under_lock();
        if let Err(error @ Error::Forked) = closed {
            return Err(error);
        }
        self.log.teller().tell();
        // What else closing failed with is what recovery is for.
        self.log.options.open_again(&self.log.directory.dir, lock)
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
            Err(error) => {
                self.log.teller().failed(Job::Removal, &error);
                self.log.teller().tell_left();
                let segments = &self.log.segments;
                segments.change(|list| list.start_offset = list.start_offset.max(before));
                segments.show();
                self.log.health().changes().notify();
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    #[inline]
    fn act_on(&self, published: &mut Published) -> Result<()> {
        match published.due.take() {
            Some(due) => {
                let acted = self.log.upkeep.act(*due);
                self.log.teller().tell_left();
                acted
            }
            None => Ok(()),
        }
    }
}
