//! The producer: batches, tickets, room, failures.

mod allocations;
mod batches;
mod closing;
mod durable;
mod failing;
mod models;
mod probe;
mod random;
mod room;
mod sequences;
mod tasks;
mod typed;

use std::sync::Arc;
use std::time::Duration;

use duramen::{Ack, Error, Log, NewMessage, Producer, ProducerOptions, Result, Ticket};

use probe::Probe;

/// Long enough that nothing of it is ever waited for.
const NEVER: Duration = Duration::MAX;
/// How long something that must not happen is given to happen.
const MOMENT: Duration = Duration::from_millis(40);

/// Options of a producer that publishes only what it has to.
fn lazy() -> ProducerOptions {
    ProducerOptions::new().linger(NEVER)
}

/// Options of a producer that publishes at once.
fn eager() -> ProducerOptions {
    ProducerOptions::new().linger(Duration::ZERO)
}

/// A producer over a log that tells what is done to it.
fn probed(options: ProducerOptions) -> (Arc<Probe>, Producer<Arc<Probe>>) {
    let probe = Arc::new(Probe::default());
    (Arc::clone(&probe), producer(probe, options))
}

fn producer<L: Log + 'static>(log: L, options: ProducerOptions) -> Producer<L> {
    Producer::new(log, options).expect("valid options")
}

/// A message of a metered size of 10.
fn small() -> NewMessage<'static> {
    NewMessage::value(b"ab")
}

fn is_open(ticket: &Ticket) -> bool {
    matches!(ticket.wait_timeout(Duration::ZERO), Ok(None))
}

fn offset(ticket: Ticket) -> u64 {
    ticket.wait().expect("published").0
}

/// Why a message failed, if it was not that of another batch.
fn own<T>(result: Result<T>) -> Arc<Error> {
    failure(result, false)
}

/// Why a batch in front of a message failed.
fn behind<T>(result: Result<T>) -> Arc<Error> {
    failure(result, true)
}

fn failure<T>(result: Result<T>, expected: bool) -> Arc<Error> {
    match result {
        Err(Error::ProducerFailed { is_behind, source }) => {
            assert_eq!(is_behind, expected, "{source}");
            source
        }
        Err(error) => panic!("failed otherwise: {error}"),
        Ok(_) => panic!("it did not fail"),
    }
}

/// Where a batch begins and ends.
fn range(ack: &Ack) -> (u64, u64) {
    (ack.start.offset, ack.end.offset)
}
