//! A queue of jobs that several workers share. One fails now and then, and one job cannot be done:
//! it is tried again, and then given up.
//!
//! `cargo run --example work_queue`

use std::time::Duration;

use duramen::queue::{Queue, QueueOptions};
use duramen::store::{PartitionLog, Partitioner, StoreOptions, StreamConfig};
use duramen::{Backoff, Log, NewMessage, PublishOptions, Result};

/// Does jobs until there are none for a while. Returns how many it has done.
fn work(queue: &Queue<PartitionLog>) -> Result<u64> {
    let mut done = 0;
    while let Some(job) = queue.next(Some(Duration::from_millis(200)))? {
        // A worker that dies here has not done the job, so let jobs be repeatable. A job that is
        // dropped, as here, is tried again after a while.
        if job.value.as_deref() == Some(b"impossible") || (job.offset % 10 == 0 && job.attempt() == 1) {
            continue;
        }
        job.done()?; // `LeaseLost` if it took too long and another worker has the job
        done += 1;
    }
    Ok(done)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-work-queue-{}", std::process::id()));
    let store = StoreOptions::new().create_dirs(true).open(&dir)?;
    store.create("jobs", &StreamConfig::new().partitions(2))?;
    let jobs = store.stream("jobs")?;
    for number in 0..100 {
        let key = format!("customer {}", number % 7);
        let job = if number == 50 { "impossible" } else { "send a bill" };
        let job = NewMessage::new(key.as_bytes(), job.as_bytes());
        jobs.publish(job, &Partitioner::Key, &PublishOptions::new())?;
    }

    // The jobs of one customer stay in order.
    let how = QueueOptions::new()
        .by_key(true)
        .attempts_max(3)
        .backoff(Backoff::new().max(Duration::from_millis(10)))
        .dead_letter("jobs.dead");
    let queue = store.queue("jobs", "billing", how)?;
    let done: u64 = std::thread::scope(|scope| {
        let workers = [(); 3].map(|()| scope.spawn(|| work(&queue)));
        let results = workers.map(|worker| worker.join().expect("no panic"));
        results.into_iter().sum::<Result<u64>>()
    })?;
    println!("{done} jobs are done");
    assert_eq!(done, 99);
    let dead = store.stream("jobs.dead")?.partition(0)?;
    assert_eq!(dead.next_offset()?, 1); // `queue.kick(1)` would have it tried again

    queue.close()?;
    store.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}
