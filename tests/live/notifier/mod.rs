//! The eventcount that wakes waiting readers, in every order in which the steps of its threads can happen.
//!
//! `src/log/changes/eventcount.rs` is compiled here once more, over loom's locks and atomics in the place of the real
//! ones. Then each model is run in all interleavings, with every value that the memory model allows a load to return.
//! A lost wake-up leaves a thread asleep for ever, which loom reports as a deadlock. The same models, over an
//! eventcount that is broken, must find that.

#![expect(
    clippy::duplicate_mod,
    reason = "the same file over different locks is the point"
)]

pub(crate) mod primitives;

use std::process::Stdio;

use crate::common::{RAN_ONE, child_of, role};

macro_rules! eventcount {
    ($name:ident, $primitives:item) => {
        #[expect(unreachable_pub, reason = "it is the library's own file")]
        #[path = "."]
        pub(crate) mod $name {
            #[expect(dead_code, reason = "in a model nobody changes a log in silence")]
            #[path = "../../../src/log/changes/eventcount.rs"]
            pub(crate) mod eventcount;
            #[path = "../../../src/log/changes/watch.rs"]
            pub(crate) mod watch;
            #[path = "models.rs"]
            pub(crate) mod models;
            $primitives
        }
    };
}

eventcount!(
    sound,
    mod primitives {
        pub(super) use super::super::primitives::{
            AtomicBool, Bell, Condvar, Mutex, Ordering, fence, wake_soon,
        };
    }
);

eventcount!(
    without_fences,
    mod primitives {
        pub(super) use super::super::primitives::{
            AtomicBool, Bell, Condvar, Mutex, Ordering, no_fence as fence, wake_soon,
        };
    }
);

eventcount!(
    waking_one,
    mod primitives {
        pub(super) use super::super::primitives::{
            AtomicBool, Bell, CondvarOfOne as Condvar, Mutex, Ordering, fence, wake_soon,
        };
    }
);

/// How often the scheduler may take a thread's turn away in one run: a bound that keeps CI short. Nearly all faults
/// show with two or three; `DURAMEN_PREEMPTIONS=all` takes a minute and tries everything.
fn preemptions() -> Option<usize> {
    match std::env::var("DURAMEN_PREEMPTIONS") {
        Ok(text) if text == "all" => None,
        Ok(text) => Some(text.parse().expect("a number or `all`")),
        Err(_) => Some(3),
    }
}

/// Runs a model in every order.
pub(crate) fn explore(model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions();
    builder.check(model);
}

/// Whether the model finds a thread that nobody wakes, in some order; `test` is the name of the test that asks.
///
/// Loom ends the whole process over a deadlock, so this is another one, which runs the same test of `module`.
pub(crate) fn finds_lost_wakeup(module: &str, test: &str, model: fn()) -> bool {
    if role().is_some() {
        explore(model);
        return false;
    }
    let program = std::env::current_exe().expect("a running program");
    let mut child = child_of(&program, module, test, test);
    let output = child.stdout(Stdio::piped()).output().expect("a child");
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(RAN_ONE), "{test}: no test was run: {said}");
    } else {
        assert!(told.contains("deadlock; threads = "), "{test}: {told}");
    }
    !output.status.success()
}

tests_of!(
    models:
    a_publish_wakes_a_waiter,
    a_publish_wakes_all_waiters,
    each_of_two_publishers_wakes_a_waiter,
    a_reader_gets_every_message_once,
    a_close_wakes_a_waiter_and_takes_no_message_from_it,
    a_poisoned_log_wakes_a_waiter_after_the_last_message,
    a_publish_wakes_a_task,
    a_task_that_gave_up_is_in_nobodys_way,
);

planted_in! {
    models;
    a_waiter_is_lost_without_fences: without_fences, a_publish_wakes_a_waiter;
    a_message_is_lost_without_fences: without_fences, a_reader_gets_every_message_once;
    a_close_is_lost_without_fences: without_fences, a_close_wakes_a_waiter_and_takes_no_message_from_it;
    a_poisoning_is_lost_without_fences: without_fences, a_poisoned_log_wakes_a_waiter_after_the_last_message;
    a_task_is_lost_without_fences: without_fences, a_publish_wakes_a_task;
    a_waiter_is_lost_when_one_of_two_is_woken: waking_one, a_publish_wakes_all_waiters;
    a_waiter_is_lost_when_told_before_the_change: sound, a_publisher_that_tells_too_early;
    a_waiter_is_lost_when_it_does_not_look_again: sound, a_reader_that_does_not_look_again;
}

/// What is broken for two is sound for one: the child process does not fail by itself.
#[test]
fn waking_one_is_enough_for_one() {
    let test = "waking_one_is_enough_for_one";
    assert!(!finds_lost_wakeup(
        module_path!(),
        test,
        waking_one::models::named("a_publish_wakes_a_waiter")
    ));
}
