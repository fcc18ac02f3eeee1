//! Random histories of a log and its copies: copied as files, backed up, restored, killed, cut off from power, damaged
//! and recovered. Two lives never give one position to two messages, a position is never resumed in front of other
//! messages than were there, and a backup is never replaced by a log that lacks messages it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use duramen::fault::{Call, CrashPlan, Errno, Fault, SimDisk, restore_to};
use duramen::{Durability, Error, FileLog, LifeId, Log, NewMessage, Options, Position, Start};
use fastrand::Rng;

use super::oracle::{told, without_panic};
use super::settings::{Settings, mix};
use crate::verdict::{Verdict, ensure};

/// Steps of one history.
const STEPS: usize = 14;
/// Directories of one history.
const DIRS: usize = 6;
/// Positions that are kept from earlier.
const POSITIONS: usize = 12;

/// The messages of a log: a number that no other message has, by offset.
type Contents = BTreeMap<u64, u64>;

struct World {
    disk: SimDisk,
    random: Rng,
    /// Every directory, and the handle on it if it is open for writing.
    dirs: Vec<Option<FileLog>>,
    messages: u64,
    /// Each message that was ever seen, by its position.
    seen: BTreeMap<(LifeId, u64), u64>,
    /// Positions, and the messages in front of them when they were taken.
    positions: Vec<(Position, Contents)>,
    /// Messages that were deleted or trimmed somewhere.
    removed: BTreeSet<u64>,
    counts: BTreeMap<&'static str, u64>,
    /// A copy was not finished, which is a matter of other tests.
    is_over: bool,
}

fn path(index: usize) -> PathBuf {
    PathBuf::from(format!("/dir-{index}"))
}

/// The messages of a log that can be read.
fn contents(log: &FileLog) -> Result<Contents, Error> {
    let (mut found, mut from) = (Contents::new(), Start::Oldest);
    loop {
        let batch = log.consume(from, 1000)?;
        if batch.messages.is_empty() {
            return Ok(found);
        }
        from = Start::At(batch.next_offset);
        for message in batch {
            let value = message.value.unwrap_or_default();
            let number = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            found.insert(message.offset, number);
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        World {
            disk: SimDisk::new(seed),
            random: Rng::with_seed(seed),
            dirs: vec![None],
            messages: 0,
            seen: BTreeMap::new(),
            positions: Vec::new(),
            removed: BTreeSet::new(),
            counts: BTreeMap::new(),
            is_over: false,
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn options(&mut self) -> Options {
        let durability = if self.random.u8(..3) == 0 {
            Durability::EachPublish
        } else {
            Durability::Os
        };
        Options::new()
            .create_dirs(true)
            .rollover(1 << 11)
            .background(false)
            .durability(durability)
            .storage(&self.disk)
    }

    fn any_dir(&mut self) -> usize {
        self.random.usize(..self.dirs.len())
    }

    /// Has the log in a directory open for writing, recovered if need be.
    fn open(&mut self, index: usize) -> Verdict<()> {
        if self.dirs[index].is_some() {
            return Ok(());
        }
        let options = self.options();
        let log = match options.open(path(index)) {
            Err(Error::Corrupt { .. }) => {
                self.count("recovered at open");
                options.recover(true).open(path(index))
            }
            other => other,
        };
        self.dirs[index] = Some(log.map_err(|error| format!("open: {}", told(&error)))?);
        self.observe(index)
    }

    /// Looks at a directory, as a reader if it is not open: at its messages, and at what becomes of positions.
    fn observe(&mut self, index: usize) -> Verdict<()> {
        let handle = self.dirs[index].take();
        let observed = match &handle {
            Some(log) => self.examine(log),
            None => match self.options().read_only(true).open(path(index)) {
                Ok(log) => self.examine(&log),
                // Damage is a matter of other tests.
                Err(Error::Corrupt { .. } | Error::NoLog { .. }) => Ok(()),
                Err(error) => Err(format!("open for reading: {}", told(&error))),
            },
        };
        self.dirs[index] = handle;
        observed.map_err(|text| format!("{text}, in {}", path(index).display()))
    }

    fn examine(&mut self, log: &FileLog) -> Verdict<()> {
        let Ok(found) = contents(log) else { return Ok(()) };
        let position = |offset| log.position_at(offset).map_err(|error| told(&error));
        for (offset, number) in &found {
            let at = position(*offset)?;
            let before = *self.seen.entry((at.life, at.offset)).or_insert(*number);
            ensure!(before == *number, "{at} is message {before} and message {number}");
        }
        let (start, next) = (
            log.start_offset().map_err(|error| told(&error))?,
            log.next_offset().map_err(|error| told(&error))?,
        );
        for (at, before) in &self.positions {
            match log.resume(*at) {
                Ok(Start::At(offset)) if offset == at.offset => {
                    let visible = start.min(at.offset)..next.min(at.offset);
                    let is_other = |offset: &u64| match (before.get(offset), found.get(offset)) {
                        (Some(was), Some(is)) => was != is,
                        (Some(one), None) | (None, Some(one)) => !self.removed.contains(one),
                        (None, None) => false,
                    };
                    let offsets = before.range(visible.clone()).chain(found.range(visible));
                    if let Some(offset) = offsets.map(|(offset, _)| *offset).find(is_other) {
                        return Err(format!(
                            "{at} is resumed, although offset {offset} was {:?} and is {:?}",
                            before.get(&offset),
                            found.get(&offset)
                        ));
                    }
                    *self.counts.entry("positions resumed").or_default() += 1;
                }
                Err(Error::EpochChanged { position, .. }) if position == *at => {
                    *self.counts.entry("positions refused").or_default() += 1;
                }
                other => return Err(format!("{at}: {other:?}")),
            }
        }
        let end = log.position().map_err(|error| told(&error))?;
        // A reader of a log that may have lost its end takes none for known.
        let is_reader = matches!(log.sync(), Err(Error::ReadOnly));
        ensure!(
            is_reader || log.resume(end).is_ok(),
            "its own end {end} is refused"
        );
        if self.positions.len() >= POSITIONS {
            let oldest = self.random.usize(..POSITIONS);
            self.positions.remove(oldest);
        }
        let offset = self.random.u64(start..=next);
        let mut at = end.at(offset);
        if self.random.bool() {
            at = position(offset)?;
        }
        let before = found.range(..offset).map(|(offset, number)| (*offset, *number));
        self.positions.push((at, before.collect()));
        Ok(())
    }

    fn publish(&mut self, index: usize) -> Verdict<()> {
        self.open(index)?;
        let count = self.random.u64(1..12);
        let values: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                self.messages += 1;
                let mut value = self.messages.to_le_bytes().to_vec();
                value.resize(self.random.usize(8..300), 0);
                value
            })
            .collect();
        let Some(log) = &self.dirs[index] else {
            return Ok(());
        };
        for some in values.chunks(3) {
            let batch: Vec<_> = some.iter().map(|value| NewMessage::value(value)).collect();
            match log.publish(&batch) {
                Ok(_) => {}
                Err(Error::Poisoned { .. }) => {
                    self.dirs[index] = None;
                    return Ok(());
                }
                Err(error) => return Err(format!("publish: {}", told(&error))),
            }
        }
        if self.random.u8(..4) == 0 {
            log.sync().map_err(|error| format!("sync: {}", told(&error)))?;
        }
        self.observe(index)
    }

    /// Deletes or trims some messages.
    fn remove(&mut self, index: usize) -> Verdict<()> {
        self.open(index)?;
        let Some(log) = &self.dirs[index] else {
            return Ok(());
        };
        let found = contents(log).map_err(|error| told(&error))?;
        let Some(last) = found.last_key_value().map(|(offset, _)| *offset) else {
            return Ok(());
        };
        let cut = self.random.u64(..=last + 1);
        if self.random.bool() {
            let gone = found.range(..cut / 2);
            self.removed.extend(gone.map(|(_, number)| *number));
            log.trim(cut / 2)
                .map_err(|error| format!("trim: {}", told(&error)))?;
        } else {
            let gone: BTreeSet<u64> = found.range(cut..).step_by(2).map(|(offset, _)| *offset).collect();
            self.removed.extend(gone.iter().map(|offset| found[offset]));
            log.delete(&gone)
                .map_err(|error| format!("delete: {}", told(&error)))?;
        }
        self.observe(index)
    }

    /// The handle of an open log, or one for reading.
    fn reading<T>(&mut self, index: usize, read: impl FnOnce(&FileLog) -> T) -> Option<T> {
        if let Some(log) = &self.dirs[index] {
            return Some(read(log));
        }
        let log = self.options().read_only(true).open(path(index)).ok()?;
        Some(read(&log))
    }

    fn new_dir(&mut self) -> Option<usize> {
        if self.dirs.len() >= DIRS {
            return None;
        }
        self.dirs.push(None);
        Some(self.dirs.len() - 1)
    }

    fn copy(&mut self, from: usize) -> Verdict<()> {
        let Some(to) = self.new_dir() else { return Ok(()) };
        self.count("copies");
        self.disk
            .copy_dir(&path(from), &path(to))
            .map_err(|error| format!("copy: {error}"))?;
        self.observe(to)
    }

    fn restore(&mut self, from: usize) -> Verdict<()> {
        let Some(to) = self.new_dir() else { return Ok(()) };
        self.count("restored");
        let share = self.random.u64(..=4);
        let restored = self.reading(from, |log| {
            let (start, next) = (log.start_offset()?, log.next_offset()?);
            restore_to(log, &path(to), start + (next - start) * share / 4)
        });
        match restored {
            Some(Ok(_)) => self.observe(to),
            None | Some(Err(Error::Corrupt { .. })) => {
                self.is_over = true;
                Ok(())
            }
            Some(Err(error)) => Err(format!("restore: {}", told(&error))),
        }
    }

    /// Backs one log up onto any other directory, or a new one.
    fn back_up(&mut self, from: usize) -> Verdict<()> {
        let is_new = self.random.u8(..4) == 0;
        let new = if is_new { self.new_dir() } else { None };
        let to = new.unwrap_or_else(|| self.any_dir());
        if to == from {
            return Ok(());
        }
        self.dirs[to] = None;
        let before = self
            .reading(to, |log| contents(log).unwrap_or_default())
            .unwrap_or_default();
        let backed_up = self.reading(from, |log| {
            let ours = contents(log).unwrap_or_default();
            log.backup(&path(to)).map(|_| ours)
        });
        match backed_up {
            Some(Ok(ours)) => {
                self.count("backups");
                let lost = before.iter().find(|(offset, number)| {
                    ours.get(offset) != Some(number) && !self.removed.contains(number)
                });
                ensure!(
                    lost.is_none(),
                    "the backup onto {} lacks {lost:?}, which was there",
                    path(to).display()
                );
                self.observe(to)
            }
            Some(Err(Error::Invalid(_))) => {
                self.count("backups refused");
                let after = self.reading(to, |log| contents(log).unwrap_or_default());
                ensure!(
                    after.unwrap_or_default() == before,
                    "a backup that is refused changes something"
                );
                Ok(())
            }
            None | Some(Err(Error::Corrupt { .. })) => {
                self.is_over = true;
                Ok(())
            }
            Some(Err(error)) => Err(format!("backup: {}", told(&error))),
        }
    }

    fn kill(&mut self) {
        self.count("kills");
        self.disk = self.disk.kill();
        self.dirs.fill_with(|| None);
    }

    fn cut_power(&mut self) {
        self.count("power cuts");
        let plan = CrashPlan {
            seed: self.random.u64(..),
            exhaustive_units_max: 4,
            samples: 8,
            ..CrashPlan::default()
        };
        let point = self.disk.point();
        let some = self.random.usize(..12);
        let torn = self.disk.crash_images(point, &plan).nth(some);
        self.disk = torn.unwrap_or_else(|| self.disk.power_cut());
        self.dirs.fill_with(|| None);
    }

    /// Flips a bit of a segment while the power is off.
    fn damage(&mut self, index: usize) -> Verdict<()> {
        self.count("damaged");
        // It is closed: of one that is open, damage to its end may pass for a torn tail.
        self.open(index)?;
        self.dirs.fill_with(|| None);
        self.disk = self.disk.power_cut();
        self.dirs.fill_with(|| None);
        let prefix = format!("{}/", path(index).display());
        let mut files = self.disk.files();
        files.retain(|(name, len)| {
            name.starts_with(&prefix)
                && Path::new(name).extension().is_some_and(|end| end == "log")
                && *len > 0
        });
        let Some((name, _)) = self.random.choice(files) else {
            return Ok(());
        };
        let mut bytes = self.disk.read_file(Path::new(&name)).unwrap_or_default();
        let at = self.random.usize(..bytes.len());
        bytes[at] ^= 1;
        self.disk
            .set_file(Path::new(&name), &bytes)
            .map_err(|error| error.to_string())?;
        if self.random.bool() {
            let options = self.options();
            duramen::recover(path(index), &options).map_err(|error| format!("recover: {}", told(&error)))?;
            self.count("recovered");
        }
        // Not as a reader, who begins no life and cannot know what was lost.
        self.open(index)
    }

    /// A sync fails, the system forgets what it was to store, and the process dies.
    fn fail_sync(&mut self, index: usize) -> Verdict<()> {
        self.count("failed syncs");
        self.publish(index)?;
        self.disk.inject(Fault {
            errno: Errno::Eio,
            call: Some(Call::Sync),
            index: 0,
            from_then_on: false,
        });
        if let Some(log) = &self.dirs[index] {
            let _ = log.sync();
        }
        self.disk.heal();
        self.disk = self.disk.kill();
        self.disk.evict();
        self.dirs.fill_with(|| None);
        self.open(index)
    }

    fn step(&mut self) -> Verdict<()> {
        let index = self.any_dir();
        match self.random.u8(..20) {
            0..=5 => self.publish(index),
            6 => self.remove(index),
            7..=8 => self.copy(index),
            9..=10 => self.restore(index),
            11..=13 => self.back_up(index),
            14 => {
                self.kill();
                Ok(())
            }
            15..=16 => {
                self.cut_power();
                self.observe(index)
            }
            17 => self.damage(index),
            18 => self.fail_sync(index),
            _ => {
                self.dirs[index] = None;
                self.observe(index)
            }
        }
    }
}

/// One history, of which the first log is in use from the beginning.
fn history(world: &mut World) -> Verdict<()> {
    world.publish(0)?;
    for _ in 0..STEPS {
        let is_damaged = world.counts.contains_key("damaged");
        match world.step() {
            // Of a log that was damaged, any call may say so.
            Err(text) if is_damaged && text.contains(": corrupt at ") => world.is_over = true,
            done => done?,
        }
        if world.is_over {
            return Ok(());
        }
    }
    (0..world.dirs.len()).try_for_each(|index| world.observe(index))
}

#[test]
fn lives_are_told_apart_over_random_histories() {
    let histories = std::env::var("DURAMEN_LIVES").map_or(4_000, |text| text.parse().expect("DURAMEN_LIVES"));
    let (seed, started) = (Settings::get().seed, Instant::now());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for number in 0..histories {
        let mut world = World::new(mix(seed, number));
        if let Err(text) = without_panic(|| history(&mut world)) {
            let log = world.disk.op_log();
            let end = log.len().saturating_sub(20_000);
            panic!(
                "history {number} with DURAMEN_SEED={seed}: {text}\n{}",
                &log[end..]
            );
        }
        for (what, count) in world.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{histories} histories in {seconds:.1} s, seed {seed}: {counts:#?}");
}
