use duramen::fault::SimDisk;
use duramen::{ErrorKind, FileLog, Log, Result};

use super::history::{History, Promise};
use super::workload::{Config, Content, Step, as_new};

/// A log on a simulated disk, with what was done to it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) config: Config,
    pub(crate) disk: SimDisk,
    pub(crate) log: Option<FileLog>,
    pub(crate) history: History,
    life: u64,
}

impl Run {
    pub(crate) fn new(config: Config, disk: SimDisk) -> Run {
        Run {
            config,
            disk,
            log: None,
            history: History::default(),
            life: 0,
        }
    }

    /// Opens the log if it is not open, and notes what it promises.
    pub(crate) fn open(&mut self) -> Result<&FileLog> {
        if self.log.is_none() {
            self.disk.note("open");
            self.life += 1;
            self.log = Some(self.config.options(&self.disk).open(Config::DIR)?);
            self.note_promise()?;
        }
        Ok(self.log.as_ref().expect("just opened"))
    }

    /// Notes what the log says of itself.
    pub(crate) fn note_promise(&mut self) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let stats = log.stat()?;
        // Where nothing is visible before it is durable, everything visible is durable.
        let durable = if self.config.is_visible_durable() {
            stats.next_offset
        } else {
            stats.synced_offset
        };
        let point = self.disk.point();
        self.history.promise(Promise {
            point,
            durable,
            seen: stats.next_offset,
            epoch: stats.epoch,
        });
        self.disk.note(format!(
            "durable {durable}, seen {}, epoch {}",
            stats.next_offset, stats.epoch
        ));
        Ok(())
    }

    pub(crate) fn step(&mut self, step: Step) -> Result<()> {
        self.disk.note(format!("{step:?}"));
        if step == Step::Reopen {
            self.disk = self.disk.kill();
            self.log = None;
        }
        self.open()?;
        match step {
            Step::Small => self.publish(&[self.content(20)]),
            Step::Page => self.publish(&[self.content(5000)]),
            Step::Segment => self.publish(&[self.content(self.config.rollover as usize)]),
            Step::Batch => self.publish(&Content::batch(self.life, self.history.next_offset())),
            Step::Roll => self.roll(),
            Step::Sync => self.sync(),
            Step::Reopen => Ok(()),
            Step::Close => self.close(),
        }
    }

    fn content(&self, len: usize) -> Content {
        Content::new(self.life, self.history.next_offset(), len)
    }

    pub(crate) fn publish(&mut self, batch: &[Content]) -> Result<()> {
        self.history.begin(batch, self.disk.point());
        let log = self.log.as_ref().expect("open");
        let next = as_new(batch, |messages| log.publish(messages)).inspect_err(|error| {
            // Only a failed sync leaves open whether the batch is there.
            if error.kind() != ErrorKind::Unknown {
                self.history.take_back();
            }
        })?;
        assert_eq!(
            next,
            self.history.next_offset(),
            "G2: publish returned another offset"
        );
        self.note_promise()
    }

    fn roll(&mut self) -> Result<()> {
        const TRIES_MAX: usize = 12;
        let segments = self.open()?.stat()?.segments;
        for _ in 0..TRIES_MAX {
            self.publish(&[self.content(self.config.rollover as usize / 3)])?;
            if self.open()?.stat()?.segments > segments.max(1) {
                return Ok(());
            }
        }
        panic!("no new segment after {TRIES_MAX} messages of a third of one");
    }

    fn sync(&mut self) -> Result<()> {
        let durable = self.open()?.sync()?;
        assert_eq!(
            durable,
            self.history.next_offset(),
            "G1: sync returned less than all"
        );
        let seen = durable;
        self.history.promise(Promise {
            point: self.disk.point(),
            durable,
            seen,
            epoch: 0,
        });
        self.note_promise()
    }

    fn close(&mut self) -> Result<()> {
        let closed = self.open()?.close();
        self.log = None;
        closed?;
        let all = self.history.next_offset();
        self.history.promise(Promise {
            point: self.disk.point(),
            durable: all,
            seen: all,
            epoch: 0,
        });
        self.disk.note("closed");
        Ok(())
    }
}
