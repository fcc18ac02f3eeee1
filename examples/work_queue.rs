//! A queue of jobs with several workers. Each worker stores its position in a second log.
//!
//! Jobs are divided among the workers by offset. A worker that restarts continues at its stored
//! position, so no job is left out. If a worker dies between doing a job and storing the position,
//! it does that job again, so jobs must be safe to repeat.
//!
//! `cargo run --example work_queue`

use std::sync::Mutex;
use std::thread;

use duramen::codec::{U64, Utf8};
use duramen::{
    BlockingLog, Error, FileLog, Log, LogExt, NewMessage, Options, Result, Start, TLog, TNewMessage,
};

const WORKERS: u64 = 3;
const JOBS: u64 = 300;

type Positions = TLog<Utf8, U64, FileLog>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-work-queue-{}", std::process::id()));
    let options = Options::new().create_dirs(true);
    let jobs = BlockingLog::new(options.clone().open(dir.join("jobs"))?);
    // A worker's position is the last message with the worker's name as its key. Compaction by key
    // would keep this log small.
    let positions = TLog::new(options.key_index(true).open(dir.join("positions"))?, Utf8, U64);

    let done = Mutex::new(vec![0_u32; usize::try_from(JOBS)?]);
    let (jobs, positions, done) = (&jobs, &positions, &done);
    // The first shift ends early, after 40 jobs of each worker.
    for (shift, jobs_each) in [(1, 40), (2, usize::MAX)] {
        thread::scope(|scope| -> Result<()> {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| scope.spawn(move || work(worker, jobs_each, jobs, positions, done)))
                .collect();
            if shift == 1 {
                for number in 0..JOBS {
                    jobs.publish_one(NewMessage::value(format!("job {number}").as_bytes()))?;
                }
            } else {
                // There are no more jobs. Closing the log wakes the waiting workers.
                while done.lock().expect("no panic").contains(&0) {
                    thread::yield_now();
                }
                jobs.close()?;
            }
            for worker in workers {
                let count = worker.join().expect("a worker does not panic")?;
                println!("shift {shift}: a worker did {count} jobs");
            }
            Ok(())
        })?;
    }
    assert!(done.lock().expect("no panic").iter().all(|times| *times == 1));
    println!(
        "{JOBS} jobs, each done once; {} positions stored",
        positions.next_offset()?
    );

    positions.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Does at most this many jobs of one worker, and waits for them. Returns the number of jobs done.
fn work(
    worker: u64,
    jobs_max: usize,
    jobs: &BlockingLog<FileLog>,
    positions: &Positions,
    done: &Mutex<Vec<u32>>,
) -> Result<usize> {
    let name = format!("worker {worker}");
    let begin = match positions.get_by_key(&name) {
        Ok(position) => position.value.map_or(Start::Oldest, Start::At),
        Err(Error::NotFound) => Start::Oldest,
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for job in jobs.follow(begin) {
        let job = job?;
        if job.offset % WORKERS != worker {
            continue;
        }
        // This is where the job is done.
        let index = usize::try_from(job.offset).expect("few jobs");
        done.lock().expect("no panic")[index] += 1;
        // The job is done. The next position is after it.
        positions.publish(&[TNewMessage::new(&name, &(job.offset + 1))])?;
        count += 1;
        if count == jobs_max {
            break;
        }
    }
    Ok(count)
}
