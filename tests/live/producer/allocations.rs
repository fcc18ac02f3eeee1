//! What sending allocates, counted.

use allocation_counter::measure;
use duramen::{AckMode, MemoryLog, NewMessage, ProducerOptions};

use super::{probed, producer};
use crate::common::number;

const BATCH_LEN: u64 = 1_000;

/// Goal: sending a message allocates nothing of its own. Method: so many are sent, with and without waiting for their
/// tickets; what this thread allocates is counted after as many.
#[test]
fn sending_allocates_nothing_per_message() {
    let messages = number("DURAMEN_MESSAGES", 100_000);
    for ack in [AckMode::Visible, AckMode::Durable, AckMode::None] {
        let producer = producer(MemoryLog::new(), ProducerOptions::new().ack(ack));
        let send = || {
            for number in 0..messages {
                let key = (number % 100).to_be_bytes();
                let message = NewMessage::new(&key, b"a value of some bytes").headers(&[(b"name", b"value")]);
                drop(producer.send(message).expect("sent"));
            }
        };
        send();
        let allocated = measure(send).count_total;
        println!("{ack:?}: {messages} messages, {allocated} allocations");
        // Batches may be short where the thread is fast, and each has its tickets' common part.
        assert!(allocated < messages / 10, "{ack:?}: {allocated} allocations");
        producer.close().expect("closed");
    }
}

#[test]
fn a_full_batch_allocates_a_fixed_number_of_times() {
    let (probe, producer) = probed(super::lazy());
    let send = || {
        for _ in 0..BATCH_LEN {
            producer
                .send(NewMessage::value(b"a value of some bytes"))
                .expect("sent");
        }
        producer.flush().expect("flushed");
    };
    // Both buffers grow first.
    (0..4).for_each(|_| send());
    let allocated = measure(send).count_total;
    assert!(allocated <= 4, "{allocated} allocations for {BATCH_LEN} messages");
    assert_eq!(probe.batches(), [1_000; 5]);
}
