//! What senders, tickets and the thread of a producer tell each other, in every order in which their steps can happen.
//!
//! `src/producer/queue.rs` and `outcome.rs` are compiled here once more, over loom's locks and over the eventcount of
//! [`notifier`](crate::notifier). A lost wake-up leaves a thread asleep for ever, which loom reports as a deadlock.
//!
//! The models find an eventcount that wakes one of two, a thread that nobody wakes, and a thread that forgets
//! batches. The eventcount's fences are not needed here, because all that is waited for is under a lock. These
//! faults were planted in the library's files by hand, and each was found by the model behind it: the thread sleeps
//! without saying so (`a_ticket_is_resolved`); `flush` does not wake the thread (`a_flush_publishes_what_lingers`);
//! `finish` tells nobody, or before there is room (`a_sender_gets_room`); `fail` tells nobody
//! (`a_failure_reaches_a_sender_without_room`); who has no room makes nothing due
//! (`a_sender_gets_room_although_batches_linger`); closing makes nothing due (`a_close_publishes_what_lingers`), or
//! does not wake the thread (`a_close_ends_a_thread_without_work`); `resolve` tells before there is a result
//! (`a_ticket_is_resolved`).

#![expect(
    clippy::duplicate_mod,
    reason = "the same files over different locks are the point"
)]

mod primitives;

macro_rules! producer {
    ($name:ident, $primitives:item) => {
        #[path = "."]
        mod $name {
            #[path = "../../../../src/producer/outcome.rs"]
            mod outcome;
            #[expect(dead_code, reason = "in a model nobody looks how much is in flight")]
            #[path = "../../../../src/producer/queue.rs"]
            mod queue;
            #[path = "sends.rs"]
            pub(super) mod sends;
            $primitives
        }
    };
}

producer!(
    sound,
    mod primitives {
        pub(super) use super::super::primitives::{Condvar, Mutex};
        pub(super) use crate::notifier::sound::{eventcount::Changes, watch::Watch};
    }
);

producer!(
    waking_one,
    mod primitives {
        pub(super) use super::super::primitives::{Condvar, Mutex};
        pub(super) use crate::notifier::waking_one::{eventcount::Changes, watch::Watch};
    }
);

producer!(
    waking_nobody,
    mod primitives {
        pub(super) use super::super::primitives::{Mutex, SilentCondvar as Condvar};
        pub(super) use crate::notifier::sound::{eventcount::Changes, watch::Watch};
    }
);

tests_of!(
    sends:
    a_ticket_is_resolved,
    tickets_of_one_batch_are_resolved,
    two_senders_get_their_tickets,
    a_task_gets_its_ticket,
    a_task_that_gave_up_is_in_nobodys_way,
    a_flush_publishes_what_lingers,
    a_flush_waits_for_what_another_has_sent,
    a_sender_gets_room,
    a_sender_gets_room_although_batches_linger,
    a_task_gets_room,
    a_close_publishes_what_lingers,
    a_close_ends_a_thread_without_work,
    a_failure_reaches_a_ticket,
    a_failure_reaches_a_sender_without_room,
    a_failure_reaches_a_flush,
);

planted_in! {
    sends;
    a_ticket_is_lost_when_one_of_two_is_woken: waking_one, tickets_of_one_batch_are_resolved;
    a_message_is_lost_when_nobody_wakes_the_thread: waking_nobody, a_ticket_is_resolved;
    a_close_is_lost_when_nobody_wakes_the_thread: waking_nobody, a_close_ends_a_thread_without_work;
    a_ticket_is_lost_when_a_failure_forgets_what_was_not_given: sound, a_thread_that_forgets_the_rest;
}
