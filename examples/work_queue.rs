//! A queue of jobs that several workers share. Each worker stores its position in a second log, so
//! after a restart it goes on where it was, and no job is left out.
//!
//! `cargo run --example work_queue`

use duramen::codec::{U64, Utf8};
use duramen::{
    BlockingLog, Control, Error, FileLog, Log, LogExt, NewMessage, Options, PublishOptions, Result, Start,
    TLog, TNewMessage,
};

type Jobs = BlockingLog<FileLog>;
type Positions = TLog<Utf8, U64, FileLog>;

/// Does the jobs of one of three workers among the next `messages_max` messages, and waits for them.
fn work(worker: u64, messages_max: usize, jobs: &Jobs, positions: &Positions) -> Result<u64> {
    let name = format!("worker {worker}");
    let begin = match positions.get_by_key(&name) {
        Err(Error::NotFound) => Start::Oldest,
        position => position?.value.map_or(Start::Oldest, Start::At),
    };
    let mut done = 0;
    for job in jobs.follow(begin).take(messages_max) {
        let job = job?;
        if job.offset % 3 == worker {
            // Here the job is done. A worker that dies now does it again: let jobs be repeatable.
            positions.publish(&[TNewMessage::new(&name, &(job.offset + 1))])?;
            done += 1;
        }
    }
    Ok(done)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-work-queue-{}", std::process::id()));
    let options = Options::new().create_dirs(true);
    let jobs = &BlockingLog::new(options.open(dir.join("jobs"))?);
    // A worker's position is the last message with the worker's name as its key.
    let positions = &TLog::new(options.key_index(true).open(dir.join("positions"))?, Utf8, U64);

    for number in 0..100 {
        jobs.publish_one(NewMessage::value(format!("job {number}").as_bytes()))?;
    }
    // There will be no more jobs, so workers end instead of waiting for some.
    jobs.append(&[], &PublishOptions::new().and(Control::Seal))?;

    // The first shift ends early. The second goes on where each worker was.
    let mut done = 0;
    for messages_max in [30, usize::MAX] {
        done += std::thread::scope(|scope| -> Result<u64> {
            let work = |worker| work(worker, messages_max, jobs, positions);
            let workers = [0, 1, 2].map(|worker| scope.spawn(move || work(worker)));
            let results = workers.map(|worker| worker.join().expect("no panic"));
            results.into_iter().sum()
        })?;
        println!("{done} jobs are done");
    }
    assert_eq!(done, 100);
    Ok(std::fs::remove_dir_all(&dir)?)
}
