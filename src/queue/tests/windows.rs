use std::collections::BTreeSet;

use crate::queue::group::{Open, Partition};
use crate::queue::window::{WINDOW, Window};

/// A window of the offsets from 0 on, in which so many messages were taken in.
fn window(count: u64, key: Option<u64>) -> Window {
    let mut window = Window::default();
    (0..count).for_each(|offset| window.admit(offset, key, 0));
    window
}

#[test]
fn the_floor_passes_what_is_settled_and_what_does_not_exist() {
    let mut window = Window::default();
    for offset in [2, 5] {
        window.admit(offset, None, 0);
    }
    window.passed(9);
    assert_eq!((window.floor(), window.read_to()), (2, 9));
    window.settle(5, 0);
    assert_eq!(window.floor(), 2);
    window.settle(2, 0);
    assert_eq!(window.floor(), 9);
}

#[test]
fn a_window_has_room_for_so_many_offsets_and_a_gap_of_any_size() {
    let mut window = window(1, None);
    assert!(window.has_room(WINDOW - 1) && !window.has_room(WINDOW));
    window.settle(0, 0);
    assert!(window.has_room(u64::MAX - 1));
    window.admit(u64::MAX - 2, None, 0);
    assert_eq!(window.floor(), u64::MAX - 2);
}

#[test]
fn a_lease_that_is_over_counts_until_somebody_else_has_the_message() {
    let mut window = window(1, None);
    window.lease(0, 7, 100);
    assert_eq!((window.pick(), window.leased()), (None, 1));
    window.tick(100);
    assert_eq!((window.pick(), window.leased()), (Some((0, 1)), 0));
    assert!(window.is_held_by(0, 7));
    window.lease(0, 8, 200);
    assert!(!window.is_held_by(0, 7) && window.is_held_by(0, 8));
}

#[test]
fn a_message_that_rests_holds_back_those_of_its_key() {
    let mut window = window(2, Some(1));
    window.admit(2, Some(2), 0);
    window.admit(3, None, 0);
    window.lease(0, 1, 100);
    window.delay(0, 50);
    let mut given = Vec::new();
    while let Some((offset, _)) = window.pick() {
        window.lease(offset, 2, 100);
        given.push(offset);
    }
    assert_eq!(given, [2, 3]);
    window.tick(50);
    assert_eq!(window.pick(), Some((0, 1)));
    window.settle(0, 50);
    assert_eq!(window.pick(), Some((1, 0)));
}

#[test]
fn timers_do_not_pile_up() {
    let mut window = window(10_000, None);
    for offset in 0..10_000 {
        window.lease(offset, offset, u64::MAX);
        window.settle(offset, 0);
    }
    assert!(window.timers() <= 100, "{}", window.timers());
    assert_eq!(window.next_timer(), None);
}

#[test]
fn what_is_left_of_a_delay_is_between_nothing_and_all_of_it_however_the_clock_was_set() {
    let open = Open {
        attempts: 1,
        at: 1000,
        delay: 300,
    };
    let left = [i64::MIN, 0, 1000, 1100, 1300, i64::MAX].map(|now| open.left(now));
    assert_eq!(left, [300, 300, 300, 200, 0, 0]);
    let mut partition = Partition::default();
    partition.open.insert(0, open);
    let mut window = Window::new(&partition, BTreeSet::new(), 5, 0);
    window.admit(0, None, 5);
    assert_eq!((window.pick(), window.next_timer()), (None, Some(305)));
}

#[test]
fn what_was_buried_before_it_was_read_is_settled() {
    let mut window = Window::new(&Partition::default(), BTreeSet::from([1]), 0, 0);
    window.settle(1, 0);
    (0..3).for_each(|offset| window.admit(offset, Some(1), 0));
    window.settle(0, 0);
    assert_eq!(window.pick(), Some((2, 0)));
}
