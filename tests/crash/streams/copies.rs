//! What copies of a store hold.

use std::path::Path;

use duramen::Error;
use duramen::fault::SimDisk;
use duramen::store::{Store, restore};

use super::model::{DIR, compare, options, told};
use super::work::{Copies, Run, Step};
use crate::settings::Settings;
use crate::verdict::{Verdict, ensure};

/// The backup.
pub(crate) const COPY: &str = "/copy";
/// What was restored from it.
pub(crate) const AGAIN: &str = "/again";
const DIRS: [&str; 2] = [COPY, AGAIN];

/// That each copy is one of those that there may be, or is known as unfinished while it is made. Then it is made
/// again.
pub(crate) fn hold(disk: &SimDisk, store: &Store, may_be: &[&Copies], making: Option<Step>) -> Verdict<()> {
    let made = match making {
        Some(Step::Backup) => Some(COPY),
        Some(Step::Restore) => Some(AGAIN),
        _ => None,
    };
    // First: what is restored again is restored from a backup.
    for (index, dir) in DIRS.iter().enumerate().rev() {
        let is_made = made == Some(*dir);
        holds(disk, store, (dir, index), may_be, is_made).map_err(|text| format!("{dir}: {text}"))?;
    }
    Ok(())
}

fn holds(
    disk: &SimDisk,
    store: &Store,
    (dir, index): (&str, usize),
    may_be: &[&Copies],
    is_made: bool,
) -> Verdict<()> {
    let catalog = format!("{dir}/catalog/");
    let files = disk.files();
    let of_catalog = files.iter().filter(|(path, _)| path.starts_with(&*catalog));
    // Until it is marked as unfinished, nothing is in it.
    let is_there = of_catalog
        .into_iter()
        .any(|(path, _)| path.ends_with("/meta.0") || path.ends_with("/meta.1"));
    if !is_there {
        ensure!(
            is_made || may_be.iter().any(|copies| copies[index].is_none()),
            "it is gone"
        );
        return if is_made { again(disk, store, dir) } else { Ok(()) };
    }
    match options(disk).open(dir) {
        Err(Error::Unfinished { .. }) => {
            ensure!(is_made, "it is unfinished");
            again(disk, store, dir)
        }
        Err(error) => Err(format!("open: {}", told(&error))),
        Ok(copy) => {
            let mut texts = Vec::new();
            let states = may_be.iter().filter_map(|copies| copies[index].as_ref());
            let is_found = states.into_iter().any(|state| {
                let compared = compare(&copy, state, true);
                compared.map_err(|text| texts.push(text)).is_ok()
            });
            ensure!(is_found, "none of what there may be: {}", texts.join("; "));
            let strays = format!("{dir}/quarantine/");
            let stray = disk
                .files()
                .into_iter()
                .find(|(path, _)| path.starts_with(&*strays));
            ensure!(stray.is_none(), "unknown: {stray:?}");
            Ok(())
        }
    }
}

/// Makes an unfinished copy again.
fn again(disk: &SimDisk, store: &Store, dir: &str) -> Verdict<()> {
    let options = options(disk);
    let made = if dir == COPY {
        store.backup(Path::new(dir))
    } else {
        restore(COPY, dir, &options)
    };
    made.map_err(|error| format!("again: {}", told(&error)))?;
    options
        .open(dir)
        .map(|_| ())
        .map_err(|error| format!("open what was made again: {}", told(&error)))
}

/// Goal: a backup of a store that no writer has opened since the power failed is whole, too. Method: the power fails
/// at any point of an atomic publish; the store is opened for reading only, and its copy for writing.
#[test]
fn a_backup_of_what_a_power_cut_has_left_is_whole() {
    let settings = Settings::get();
    let mut run = Run::new(settings.seed).expect("a store");
    run.step(Step::Atomic).expect("published");
    let before = run.done[run.done.len() - 1].after.clone();
    run.step(Step::AtomicInOne).expect("published");
    let done = &run.done[run.done.len() - 1];
    let (mut tried, mut with_intents) = (0, 0);
    for point in done.begin..=done.end {
        for disk in run.disk.crash_images(point, &settings.plan()).take(8) {
            tried += 1;
            let reader = options(&disk).read_only(true).open(DIR).expect("opened");
            reader
                .backup(Path::new(COPY))
                .unwrap_or_else(|error| panic!("point {point}: {error}"));
            with_intents += usize::from(
                disk.files()
                    .iter()
                    .any(|(path, _)| path.starts_with("/copy/intents/")),
            );
            let copy = options(&disk).open(COPY).expect("opened");
            let compared = [&before, &done.after].map(|state| compare(&copy, state, false));
            assert!(compared.iter().any(Result::is_ok), "point {point}: {compared:?}");
        }
    }
    assert!(tried > 50 && with_intents > 0, "{tried}, {with_intents}");
}
