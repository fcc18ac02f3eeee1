//! Battery T: a disk that breaks its word must be found out, or the other batteries would not find a log that does.

use duramen::fault::Lie;

use super::enumerate::Battery;
use super::settings::Settings;
use super::workload::{Config, Workload, workloads};

/// What the battery says of a log on a disk that lies.
fn caught(lie: Lie, config: Config) -> Option<String> {
    let settings = Settings::get();
    let workloads: Vec<Workload> = workloads(2)
        .into_iter()
        .map(|steps| Workload { config, steps })
        .collect();
    let verdict = Battery::new(settings).run(&workloads, 4000, |workload| {
        let disk = workload.config.disk(settings.seed);
        disk.lie(lie);
        disk
    });
    verdict.err()
}

fn is_caught(lie: Lie) {
    for config in Config::ALL {
        let text =
            caught(lie, config).unwrap_or_else(|| panic!("{lie:?} was not noticed in {}", config.name));
        let broken = text.lines().next().unwrap_or_default();
        println!("{lie:?} in {}: {broken}", config.name);
        assert!(broken.contains("G1") || broken.contains("G2"), "{broken}");
    }
}

#[test]
fn a_sync_that_does_nothing_is_caught() {
    is_caught(Lie::Sync);
}

#[test]
fn a_sync_of_a_directory_that_does_nothing_is_caught() {
    is_caught(Lie::SyncDir);
}

#[test]
fn a_sync_that_loses_the_length_is_caught() {
    is_caught(Lie::SyncLength);
}

#[test]
fn a_sync_that_loses_the_last_write_is_caught() {
    is_caught(Lie::SyncLast);
}

#[test]
fn a_rename_that_is_done_by_halves_is_caught() {
    is_caught(Lie::Rename);
}
