//! Crashes and faults under a store: no stream is lost, none comes back, and what was published to several at once is
//! there as a whole or not at all.

mod battery;
mod copies;
mod faults;
mod model;
mod threads;
mod work;

use super::settings::Settings;
use battery::Battery;
use work::{Step, workloads};

/// All workloads of up to so many of these steps on a store with three streams that have some messages.
fn battery(steps: &[Step], len_max: usize, one_in: usize, share: usize, states_min: usize) {
    let settings = Settings::get();
    let mut battery = Battery::new(settings);
    let all = workloads(steps, len_max, one_in, settings.seed);
    let tried = battery.run(&all, settings.states * share / 1000);
    println!("{} workloads: {}", all.len(), battery.tried);
    tried.unwrap_or_else(|text| panic!("{text}"));
    assert!(
        !settings.is_whole() || battery.tried.states >= states_min,
        "{}",
        battery.tried
    );
}

#[test]
fn streams_come_change_and_go() {
    battery(&Step::CHANGING, 2, 1, 270, 105_000);
}

/// A store that was closed is opened again, its partitions are published to and nothing else is, and the process dies.
/// Then a sync that is confirmed has to hold what that process has published.
#[test]
fn a_sync_covers_what_a_killed_process_published_to_a_store_that_had_been_closed() {
    use Step::{Close, Publish, Reopen, Sync};
    let orders = [
        vec![Close, Publish("c", 0), Reopen, Sync],
        vec![Close, Publish("c", 0), Reopen, Close],
    ];
    let mut battery = Battery::new(Settings::get());
    let tried = battery.run(&orders, 2000);
    println!("{}", battery.tried);
    tried.unwrap_or_else(|text| panic!("{text}"));
}

/// One part is as durable as several.
#[test]
fn an_atomic_publish_of_one_part_is_durable() {
    let mut battery = Battery::new(Settings::get());
    let tried = battery.run(&[vec![Step::AtomicOne]], 1000);
    println!("{}", battery.tried);
    tried.unwrap_or_else(|text| panic!("{text}"));
}

/// Goal: a copy is the earlier one, or the new one, or known as unfinished, and can be taken again then. Method: all
/// steps between two backups, and restores of both.
#[test]
fn a_copy_is_whole_or_known_as_unfinished() {
    use Step::{Atomic, Backup, Delete, Reopen, Restore};
    let steps = Step::CHANGING.iter().chain(&Step::ATOMIC);
    let mut orders: Vec<_> = steps.map(|step| vec![Backup, *step, Backup]).collect();
    orders.push(vec![Atomic, Backup, Restore]);
    orders.push(vec![Backup, Delete("a"), Reopen, Atomic, Backup, Restore]);
    let settings = Settings::get();
    let mut battery = Battery::new(settings);
    let tried = battery.run(&orders, settings.states * 15 / 1000);
    println!("{} workloads: {}", orders.len(), battery.tried);
    tried.unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn an_atomic_publish_is_there_as_a_whole_or_not_at_all() {
    battery(&Step::ATOMIC, 3, 4, 500, 200_000);
}
