use duramen::fault::SimDisk;
use duramen::{ErrorKind, FileLog, Log, PublishOptions, Result};

use super::content::{Content, as_new};
use super::examine::read_all;
use super::history::{History, Promise, Removed};
use super::workload::{Config, Step};

/// A log on a simulated disk, with what was done to it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) config: Config,
    pub(crate) disk: SimDisk,
    pub(crate) log: Option<FileLog>,
    pub(crate) history: History,
    /// The start offset as far as it is known.
    pub(super) start: u64,
    pub(super) life: u64,
}

/// Messages that [`Step::Fill`] publishes.
const FILL: u64 = 12;
/// Messages that [`Step::Thin`] publishes.
const THIN: u64 = 16;

impl Run {
    pub(crate) fn new(config: Config, disk: SimDisk) -> Run {
        Run {
            config,
            disk,
            log: None,
            history: History::default(),
            start: 0,
            life: 0,
        }
    }

    /// Opens the log if it is not open, and notes what it promises.
    pub(crate) fn open(&mut self) -> Result<&FileLog> {
        if self.log.is_none() {
            self.disk.note("open");
            self.life += 1;
            let point = self.disk.point();
            let opened = self.config.options(&self.disk).open(self.config.dir);
            if opened.is_err() {
                self.note_failed_open(point);
            }
            self.log = Some(opened?);
            self.note_policy(point)?;
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
        if matches!(step, Step::Reopen | Step::Recover) {
            self.disk = self.disk.kill();
            self.log = None;
        }
        if step == Step::Recover {
            return self.recover();
        }
        self.open()?;
        match step {
            Step::Small => self.publish(&[self.content(20)]),
            Step::Page => self.publish(&[self.content(5000)]),
            Step::Segment => self.publish(&[self.content(self.config.rollover as usize)]),
            Step::Batch => self.publish(&Content::batch(self.life, self.history.next_offset())),
            Step::Fill => (0..FILL).try_for_each(|_| self.publish(&[self.content(250)])),
            Step::Thin => (0..THIN).try_for_each(|_| {
                let is_kept = self.history.next_offset().is_multiple_of(4);
                self.publish(&[self.content(if is_kept { 20 } else { 220 })])
            }),
            Step::Roll => self.roll(),
            Step::Sync => self.sync(),
            Step::Close => self.close(),
            Step::Reopen | Step::Recover => Ok(()),
            Step::DeleteFirst
            | Step::DeleteMiddle
            | Step::DeleteLast
            | Step::DeleteAll
            | Step::Compact
            | Step::Merge => self.delete(step),
            Step::Trim => self.trim(|start, next| start + (next - start) / 2),
            Step::TrimAll => self.trim(|_, next| next),
            Step::Retain => self.retain(),
            Step::Backup => self.backup(),
            Step::Fence
            | Step::FenceAlone
            | Step::TrimControl
            | Step::Seal
            | Step::Unseal
            | Step::Produce
            | Step::ProduceTwice
            | Step::ProduceMany => self.control(step),
        }
    }

    pub(super) fn content(&self, len: usize) -> Content {
        Content::new(self.life, self.history.next_offset(), len)
    }

    pub(crate) fn publish(&mut self, batch: &[Content]) -> Result<()> {
        let point = self.disk.point();
        if self.history.state().is_sealed {
            return self.is_refused(&PublishOptions::new());
        }
        self.history.begin(batch, point);
        let log = self.log.as_ref().expect("open");
        let next = as_new(batch, |messages| log.publish(messages)).inspect_err(|error| {
            // Only a failed sync leaves open whether the batch is there.
            if error.kind() != ErrorKind::Unknown {
                self.history.take_back();
            }
        });
        self.note_policy(point)?;
        assert_eq!(
            next?,
            self.history.next_offset(),
            "G2: publish returned another offset"
        );
        self.note_promise()
    }

    /// The retention policy may have been applied since `point`.
    pub(super) fn note_policy(&mut self, point: usize) -> Result<()> {
        self.note_start(point)?;
        if self.config.kept_max.is_some() && self.disk.faults_hit() > 0 {
            // Or half of it.
            let before = self.first_kept()?;
            self.history.remove(Removed::Before(before), point, None);
        }
        Ok(())
    }

    /// An open that has failed may have applied the policy, or half of it.
    fn note_failed_open(&mut self, point: usize) {
        let Some(kept) = self.config.kept_max else { return };
        let disk = self.disk.kill();
        disk.heal();
        let reader = self.config.options(&disk).read_only(true);
        let messages = reader.open(self.config.dir).map(|log| read_all(&log));
        if let Ok(Ok(messages)) = messages
            && let Some(first) = messages.len().checked_sub(kept as usize)
            && let Some(first) = messages.get(first)
        {
            self.history.remove(Removed::Before(first.offset), point, None);
        }
    }

    /// Notes where the log begins, if that has changed since `point`.
    pub(super) fn note_start(&mut self, point: usize) -> Result<()> {
        let start = self.log.as_ref().map_or(Ok(self.start), Log::start_offset)?;
        // What control records trim is told by them.
        let by_control = self.history.state().trim_to;
        if start == self.start.max(by_control) {
            self.start = start;
        }
        if start != self.start {
            self.start = start;
            self.history
                .remove(Removed::Before(start), point, Some(self.disk.point()));
        }
        Ok(())
    }

    fn roll(&mut self) -> Result<()> {
        const TRIES_MAX: usize = 12;
        // The first segment is no new one.
        let last = self.bases().pop().unwrap_or(self.history.next_offset());
        if self.history.state().is_sealed {
            return self.is_refused(&PublishOptions::new());
        }
        for _ in 0..TRIES_MAX {
            self.publish(&[self.content(self.config.rollover as usize / 3)])?;
            if self.bases().pop() > Some(last) {
                return Ok(());
            }
        }
        panic!("no new segment after {TRIES_MAX} messages of a third of one");
    }

    /// The base offsets of the log's segments, ascending.
    pub(super) fn bases(&self) -> Vec<u64> {
        let base = |path: &str| {
            let name = path.strip_prefix(self.config.dir)?.strip_prefix('/')?;
            name.strip_suffix(".log")?.parse().ok()
        };
        let files = self.disk.files();
        let mut bases: Vec<u64> = files.iter().filter_map(|(path, _)| base(path)).collect();
        bases.sort_unstable();
        bases
    }

    fn sync(&mut self) -> Result<()> {
        let durable = self.open()?.sync()?;
        assert_eq!(
            durable,
            self.history.next_offset(),
            "G1: sync returned less than all"
        );
        self.promise_all();
        self.note_promise()
    }

    fn close(&mut self) -> Result<()> {
        let closed = self.open()?.close();
        self.log = None;
        closed?;
        self.promise_all();
        self.disk.note("closed");
        Ok(())
    }

    /// Everything published so far is durable.
    pub(super) fn promise_all(&mut self) {
        let all = self.history.next_offset();
        self.history.promise(Promise {
            point: self.disk.point(),
            durable: all,
            seen: all,
            epoch: 0,
        });
    }
}
