//! Battery S: each place in the library that asks for a sync is left out, one at a time, which must be noticed.
//!
//! The disk notes which functions asked for each sync of a run. Then the run is repeated, and the disk ignores all
//! syncs of one place: as if the line was not in the library. What the battery does not notice is either a gap in the
//! battery or a sync too many. Those that are known are in [`NOT_NOTICED`], with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use duramen::fault::{Call, CrashPlan, Errno, Fault, SimDisk, SyncPlace};

use super::battery::run;
use super::examine::read_all;
use super::history::{Expected, ExpectedCopy};
use super::oracle::{copy_recovers, is_sound, recovers, told, without_panic};
use super::reopened::{Killed, Reopened};
use super::run::Run;
use super::settings::Settings;
use super::workload::Step::{
    Backup, Batch, Close, Compact, DeleteFirst, DeleteLast, DeleteMiddle, Fence, Fill, Merge, Produce,
    Recover, Reopen, Roll, Segment, Small, Sync, Thin, Trim, TrimAll, TrimControl,
};
use super::workload::{Config, Step, Workload};
use crate::verdict::{Verdict, ensure};

const WORKLOADS: [&[Step]; 31] = [
    &[Small],
    &[Thin, Merge],
    &[Fill, Trim],
    &[Batch, Roll, Sync],
    &[Small, Sync, Small, Reopen, Sync],
    &[Fill, DeleteLast, Sync],
    &[Fill, Trim, Trim],
    &[Fill, DeleteMiddle, Close],
    &[Fill, Backup],
    &[Fill, Backup, Batch, Roll, Backup],
    &[Thin, Backup, Merge, Backup],
    &[Fill, Backup, Trim, Backup],
    &[Small, Backup, Small, Backup],
    &[Fill, Backup, DeleteFirst, Backup],
    &[Roll, Small, Recover, Small],
    &[Fill, TrimAll, Small],
    &[Fill, TrimAll, Close],
    &[Fill, DeleteFirst],
    &[Fill, Compact],
    &[Thin, Merge, Close],
    &[Fill, Close, Small, DeleteFirst],
    &[Small, Close, Small, Reopen, Close],
    &[Small, Sync, Small, Close],
    &[Small, Segment, Small],
    &[Small, Small],
    &[Produce, Fill, Trim],
    &[Produce, Fence, Close],
    &[Produce, Fill, DeleteFirst, Trim],
    &[Fence, Produce, Backup, Produce, Backup],
    &[Small, Produce, Backup, Produce, Backup],
    &[Fence, Fill, TrimControl, TrimControl],
];

/// Disks to try at most at each point, of two kinds.
const IMAGES: usize = 24;
/// A place is left out in at most so many runs.
const TRIES_MAX: usize = 48;
/// So many places there are at least: fewer means that the disk does not know the functions any more.
const NOTICED_MIN: usize = 75;

/// Places where a missing sync is not noticed, by the functions that lead there from the innermost, and why it stays.
/// With `<` in front, these are only some of the outer ones.
const NOT_NOTICED: &[(&str, &str)] = &[
    (
        "open_at < open",
        "directories that are created: sync_above syncs them again, but has to forgive those that cannot be synced",
    ),
    (
        "open < copy < closure < copied < copy",
        "as above, for the directories of a backup",
    ),
    (
        "remove_segments < remove_superseded",
        "what was trimmed or merged does not count if it comes back; it stays for what an unfinished backup has added \
         to a copy that goes on as a log, which no workload here does, and so that what was removed is gone",
    ),
    (
        "remove_segments < unlink < drop_segments",
        "as above, after a trim",
    ),
    (
        "remove_segments < remove_all_but < switch",
        "as above, in a backup",
    ),
    (
        "remove_segments < unlink < merge < merge_around",
        "as above; before the metadata names another merge, a rewrite syncs the directory",
    ),
    (
        "install < create_segment < new_segment < roll < leave_behind",
        "the rewrite that it is for syncs the directory; it stays for others who publish meanwhile, and for a rewrite \
         that fails: here is neither",
    ),
    (
        "closure < store_producers < copy_producers < finish",
        "of the two syncs that of the directory: a backup syncs it again before the metadata says that it is whole",
    ),
    (
        "sync_stored < sync_step < sync < rewrite",
        "everything was synced just before; it is for a segment that upkeep copies meanwhile, and here is no upkeep",
    ),
    (
        "remove_superseded < find < open_locked < open < open_in < finish < recover_in",
        "as in open, which is noticed: recover is not begun here on a log that was killed in the middle of a merge",
    ),
    (
        "rename < write_next < write_copy < write < write_both < go_on < recovered < find < open_locked < open < \
         open_in < finish < recover_in",
        "as in open, which is noticed: recover is not begun here on metadata that is not durable",
    ),
    (
        "rename < write_next < write_copy < write < write_both < announce_cut < cut",
        "as above: the first copy alone may be lost, while the second is overwritten",
    ),
    (
        "quarantine_segment < carry_out < recover_in",
        "of the two syncs that of the directory: the log that recovery opens at its end syncs it again",
    ),
    (
        "quarantine_file < quarantine_",
        "a folder that a process left when it was killed: only on a full disk nothing has synced the directory by then",
    ),
    (
        "< announce < carry_out < recover_in",
        "recovery that was cut off begins again, and the segments that are missing then tell the same",
    ),
    (
        "< write_both < close < carry_out < recover_in",
        "without it the log opens as one that was not closed; its messages are durable by then",
    ),
    (
        "< build_index < open < mapped < read < read < stat < closure < with < read < stat < finish < recover_in",
        "as in stat of an open log, which is noticed",
    ),
    (
        "closure < store_index < build_index < open < rebuild_index < rebuild_indexes",
        "an index is derived: whoever needs it builds it anew",
    ),
    (
        "< mark_clean < closure < closure < close < close_files < close_under_lock < close < close < drop",
        "as in close, which is noticed: the log is only dropped here on a full disk",
    ),
    (
        "< write_both < write_both < mark_clean < closure < closure < close < close_files < \
         close_under_lock < close < close < finish < recover_in",
        "as in close, which is noticed: a power cut right behind recover is tried by other tests",
    ),
];

/// Places that only one workload leads to in such a way that anything is lost.
const ONLY_IN: &[(&str, &[Step])] = &[(
    "remove_superseded < find < open_locked < open < open_at",
    &[Thin, Merge],
)];

/// Of so many kills of a recovery one is tried.
const QUARANTINE_KILLS_EVERY: usize = 3;

/// What is known of each place.
#[derive(Default)]
struct Battery {
    /// Noticed, and in which case; or missed in some case.
    noticed: BTreeMap<SyncPlace, String>,
    missed: BTreeMap<SyncPlace, String>,
    tries: BTreeMap<SyncPlace, usize>,
    tried: usize,
}

impl Battery {
    /// Leaves out each of `places` that nobody has noticed yet. `without` is given the numbers of the syncs to ignore,
    /// and the points at which the power is to fail.
    fn each(
        &mut self,
        (places, end): (&[(usize, SyncPlace)], usize),
        name: &str,
        steps: &[Step],
        without: impl Fn(BTreeSet<usize>, &[usize], &mut usize) -> Verdict<()>,
    ) {
        let all: BTreeSet<&SyncPlace> = places.iter().map(|(_, place)| place).collect();
        for place in all {
            let functions = place.functions();
            let is_known = NOT_NOTICED.iter().any(|(known, _)| leads_to(known, &functions))
                || ONLY_IN
                    .iter()
                    .any(|(known, only)| functions.starts_with(known) && *only != steps);
            let tries = self.tries.entry(place.clone()).or_default();
            if is_known || self.noticed.contains_key(place) || *tries == TRIES_MAX {
                continue;
            }
            *tries += 1;
            let is_here = |index: &usize| places[*index].1 == *place;
            let which: BTreeSet<usize> = (0..places.len()).filter(is_here).collect();
            let first = which.first().map_or(0, |first| places[*first].0);
            // Before a sync most may be lost.
            let later = places
                .iter()
                .map(|(point, _)| *point)
                .filter(|point| *point > first);
            let points: Vec<usize> = later.chain([end]).collect();
            match without_panic(|| without(which, &points, &mut self.tried)) {
                Ok(()) => {
                    let name = || name.to_owned();
                    self.missed.entry(place.clone()).or_insert_with(name);
                }
                Err(text) => {
                    let text = text.lines().next().unwrap_or_default();
                    self.missed.remove(place);
                    self.noticed.insert(place.clone(), format!("{name}: {text}"));
                }
            }
        }
    }

    /// The power fails at any point of a workload, and after the log, or its backup, was opened once more after a kill
    /// at any point.
    fn try_workload(&mut self, workload: &Workload) {
        let seed = Settings::get().seed;
        let watch = |disk: &SimDisk, step: usize| {
            if step == 0 {
                disk.watch_syncs();
            }
        };
        let (done, last) = run(workload, seed, watch).unwrap_or_else(|text| panic!("{text}"));
        let (places, end) = (done.disk.sync_places(), done.disk.point());
        self.each(
            (&places, end),
            &workload.to_string(),
            &workload.steps,
            |which, points, tried| in_workload(workload, &which, points, tried),
        );
        let kills = places
            .iter()
            .map(|(point, _)| *point)
            .filter(|point| *point >= last);
        let backs_up = workload.steps.ends_with(&[Backup]);
        for point in kills.chain([end]) {
            let name = format!("{workload}, killed at {point}");
            let killed = Killed::log(&done, point, backs_up);
            self.try_killed(&done, point, &killed, &name, &workload.steps);
            if backs_up && let Some(killed) = Killed::copy(&done, point) {
                self.try_killed(
                    &done,
                    point,
                    &killed,
                    &format!("{name}, its backup"),
                    &workload.steps,
                );
            }
        }
    }

    /// What was killed is opened, written to, synced and closed, and the power fails at any point of that.
    fn try_killed(&mut self, run: &Run, point: usize, killed: &Killed<'_>, name: &str, steps: &[Step]) {
        let disk = run.disk.kill_at(point);
        disk.watch_syncs();
        let whole = Reopened::new(killed, &disk);
        whole.unwrap_or_else(|text| panic!("{name}: {text}"));
        let places = disk.sync_places();
        self.each((&places, disk.point()), name, steps, |which, points, tried| {
            let disk = run.disk.kill_at(point);
            disk.ignore_syncs(which);
            let reopened = Reopened::new(killed, &disk)?;
            points.iter().try_for_each(|point| {
                let copy = reopened.copy(*point);
                let expected = reopened.expected(*point);
                cut(&killed.config, (&disk, *point), &expected, copy.as_ref(), tried)
            })?;
            is_settled(&killed.config, &disk, tried)
        });
    }

    /// A log that was killed is opened on a full disk, and the power fails at any point of that.
    fn try_full_disk(&mut self, config: Config) {
        let workload = &Workload {
            config,
            steps: vec![Fill, Trim],
        };
        let (done, last) = run(workload, Settings::get().seed, |disk, _| disk.watch_syncs())
            .unwrap_or_else(|text| panic!("{text}"));
        let full = |point: usize| {
            let disk = done.disk.kill_at(point);
            disk.watch_syncs();
            disk.inject(Fault {
                errno: Errno::Enospc,
                call: Some(Call::Create),
                index: 0,
                from_then_on: true,
            });
            disk
        };
        let open = |disk: &SimDisk| {
            let opened = workload.config.options(disk).open(workload.config.dir);
            opened
                .map(drop)
                .map_err(|error| format!("G1: does not open: {}", told(&error)))
        };
        for (point, _) in done.disk.sync_places().iter().filter(|(point, _)| *point > last) {
            let name = format!("{workload}, killed at {point}, on a full disk");
            let whole = full(*point);
            open(&whole).unwrap_or_else(|text| panic!("{name}: {text}"));
            let places = whole.sync_places();
            let expected = done.history.after_power_cut(*point);
            self.each(
                (&places, whole.point()),
                &name,
                &workload.steps,
                |which, points, tried| {
                    let disk = full(*point);
                    disk.ignore_syncs(which);
                    open(&disk)?;
                    let mut points = points.iter();
                    points
                        .try_for_each(|point| cut(&workload.config, (&disk, *point), &expected, None, tried))
                },
            );
        }
    }

    /// Recovery moves what it cuts off to the quarantine, and the power fails at any point of that; also when it was
    /// killed before.
    fn try_quarantine(&mut self, config: Config, nth: Option<usize>, damage: usize) {
        let steps = [if nth.is_some() { Fill } else { Small }, Close];
        let workload = Workload {
            config,
            steps: steps.to_vec(),
        };
        let damaged = || {
            let (done, _) = run(&workload, Settings::get().seed, |_, _| {}).expect("a log");
            let disk = done.disk.power_cut();
            let bases = done.bases();
            let base = bases[nth.unwrap_or(bases.len() - 1)];
            let path = Path::new(config.dir).join(format!("{base:020}.log"));
            let mut bytes = disk.read_file(&path).expect("a segment");
            bytes[damage] ^= 1;
            disk.set_file(&path, &bytes)
                .expect("a disk that was not used yet");
            disk
        };
        // Recovering a segment in the middle, or opening a log whose only segment is damaged.
        let recover = |disk: &SimDisk| {
            let options = config.options(disk);
            let recovered = match nth {
                Some(_) => duramen::recover(config.dir, &options).map(drop),
                None => options.recover(true).open(config.dir).map(drop),
            };
            recovered.map_err(|error| format!("G5: does not recover: {}", told(&error)))
        };
        let first = damaged();
        first.watch_syncs();
        recover(&first).unwrap_or_else(|text| panic!("{text}"));
        let cut_off = quarantined(&first);
        assert!(!cut_off.is_empty(), "nothing is in the quarantine");
        let wanted = messages(&config, &first.kill()).unwrap_or_else(|text| panic!("{text}"));
        let kills = first.sync_places().into_iter().map(|(point, _)| point);
        for point in [0].into_iter().chain(kills.step_by(QUARANTINE_KILLS_EVERY)) {
            let name = format!(
                "{}, damaged at {damage}, killed at {point} of recovery",
                config.name
            );
            let begun = first.kill_at(point);
            begun.watch_syncs();
            recover(&begun).unwrap_or_else(|text| panic!("{name}: {text}"));
            let places = begun.sync_places();
            self.each((&places, begun.point()), &name, &steps, |which, points, tried| {
                let disk = first.kill_at(point);
                disk.ignore_syncs(which);
                recover(&disk)?;
                let end = disk.point();
                let mut images = points
                    .iter()
                    .flat_map(|point| images(&disk, *point).map(|found| (*point, found)));
                images.try_for_each(|(point, found)| {
                    *tried += 1;
                    is_kept(&found, &cut_off)?;
                    if point < end {
                        recover(&found)?;
                    }
                    let there = messages(&config, &found)?;
                    ensure!(there == wanted, "G7: recovered {there:?} instead of {wanted:?}");
                    Ok(())
                })
            });
        }
    }
}

/// The messages of a log, which opens.
fn messages(config: &Config, disk: &SimDisk) -> Verdict<Vec<u64>> {
    let log = config
        .options(disk)
        .open(config.dir)
        .map_err(|error| format!("G7: does not open: {}", told(&error)))?;
    Ok(read_all(&log)?.iter().map(|message| message.offset).collect())
}

/// Whether these functions begin with those that are known, or have them further out.
fn leads_to(known: &str, functions: &str) -> bool {
    if known.starts_with("< ") {
        functions.contains(known)
    } else {
        functions.starts_with(known)
    }
}

/// What is in the quarantine.
fn quarantined(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let mut files = disk.files();
    files.retain(|(path, _)| path.contains("/quarantine/"));
    let read = |path: &String| disk.read_file(Path::new(path)).expect("a file");
    files
        .into_iter()
        .map(|(path, _)| (path.clone(), read(&path)))
        .collect()
}

/// That none of these bytes are lost: they are in the log still, or in the quarantine.
fn is_kept(disk: &SimDisk, cut_off: &[(String, Vec<u8>)]) -> Verdict<()> {
    let all: Vec<Vec<u8>> = disk
        .files()
        .iter()
        .filter_map(|(path, _)| disk.read_file(Path::new(path)))
        .collect();
    for (path, bytes) in cut_off {
        let is_here = |file: &Vec<u8>| file.windows(bytes.len()).any(|some| some == bytes);
        ensure!(all.iter().any(is_here), "G5: the bytes of {path} are lost");
    }
    Ok(())
}

/// A workload of which some syncs are ignored, with power cuts at these points.
fn in_workload(
    workload: &Workload,
    which: &BTreeSet<usize>,
    points: &[usize],
    tried: &mut usize,
) -> Verdict<()> {
    let ignore = |disk: &SimDisk, step: usize| {
        if step == 0 {
            disk.ignore_syncs(which.iter().copied());
        }
    };
    let (run, _) = run(workload, Settings::get().seed, ignore)?;
    for point in points {
        let copy = run.history.of_copy(*point);
        let expected = run.history.after_power_cut(*point);
        cut(&run.config, (&run.disk, *point), &expected, copy.as_ref(), tried)?;
    }
    match workload.steps.last() {
        Some(Close) => is_settled(&run.config, &run.disk, tried),
        Some(Backup) => is_settled(&run.config.copy(), &run.disk, tried),
        _ => Ok(()),
    }
}

/// Each change lost alone and kept alone, and then many at once.
fn images(disk: &SimDisk, point: usize) -> impl Iterator<Item = SimDisk> {
    let plan = Settings::get().plan();
    let one_by_one = CrashPlan {
        one_by_one: true,
        ..plan
    };
    let single = disk.crash_images(point, &one_by_one).take(IMAGES);
    single.chain(disk.crash_images(point, &plan).take(IMAGES))
}

/// After closing, and after a backup, nothing may be lost: also a copy of the metadata that is torn looks like damage.
fn is_settled(config: &Config, disk: &SimDisk, tried: &mut usize) -> Verdict<()> {
    images(disk, disk.point()).try_for_each(|disk| {
        *tried += 1;
        is_sound(config, &disk)
    })
}

/// What may be found when the power fails at a point.
fn cut(
    config: &Config,
    (disk, point): (&SimDisk, usize),
    expected: &Expected<'_>,
    copy: Option<&ExpectedCopy<'_>>,
    tried: &mut usize,
) -> Verdict<()> {
    if !disk.is_crash_point(point) {
        return Ok(());
    }
    images(disk, point).try_for_each(|disk| {
        *tried += 1;
        if let Some(copy) = copy {
            copy_recovers(config, &disk.kill(), copy)?;
        }
        recovers(config, &disk, expected).map(drop)
    })
}

#[test]
fn each_sync_that_is_left_out_is_noticed() {
    let started = Instant::now();
    let mut battery = Battery::default();
    for steps in WORKLOADS {
        for config in [Config::REMOVING[0], Config::OS] {
            battery.try_workload(&Workload {
                config,
                steps: steps.to_vec(),
            });
        }
        println!(
            "{steps:?}: {} disks, {:.1} s",
            battery.tried,
            started.elapsed().as_secs_f64()
        );
    }
    for config in [Config::REMOVING[0], Config::OS] {
        battery.try_full_disk(config);
        // The first record of a segment is damaged, and the header.
        battery.try_quarantine(config, Some(1), 400);
        battery.try_quarantine(config, Some(1), 20);
        battery.try_quarantine(config, None, 20);
    }
    println!(
        "{} places noticed, {} disks, {:.1} s",
        battery.noticed.len(),
        battery.tried,
        started.elapsed().as_secs_f64()
    );
    for (place, text) in &battery.noticed {
        println!("noticed: {place}: {text}");
    }
    let missed: Vec<String> = battery
        .missed
        .iter()
        .map(|(place, name)| format!("{place} in {name}"))
        .collect();
    assert!(
        battery.noticed.len() >= NOTICED_MIN,
        "only {} places",
        battery.noticed.len()
    );
    assert!(
        missed.is_empty(),
        "nobody notices that these syncs are missing: {missed:#?}"
    );
}
