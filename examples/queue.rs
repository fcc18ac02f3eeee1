//! A worker that is killed in the middle of its work: nothing is lost. The example starts itself
//! once more; that process does some of the jobs, and then kills itself with one in its hands.
//!
//! `cargo run --example queue`

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use duramen::queue::{Queue, QueueOptions};
use duramen::{FileLog, Log, NewMessage, Options, Result, Start};

const JOBS: u64 = 100;
const SOON: Option<Duration> = Some(Duration::from_millis(200));

/// The log of jobs, and the queue beside it. Messages that are given up go to a log of their own.
fn open(dir: &Path) -> Result<Queue<FileLog>> {
    let options = Options::new().create_dirs(true);
    let dead = options.open(dir.join("dead"))?;
    let how = QueueOptions::new()
        .attempts_max(2)
        .dead_letter_log(dead)
        .name("jobs");
    Queue::open(options.open(dir.join("jobs"))?, dir.join("queue"), how)
}

/// Does jobs. The message "deadly" kills whoever does it.
fn work(queue: &Queue<FileLog>, jobs_max: u64) -> Result<u64> {
    let mut done = 0;
    while done < jobs_max
        && let Some(job) = queue.next(SOON)?
    {
        if job.value.as_deref() == Some(b"deadly") {
            // As `kill -9`: no destructor runs.
            std::process::abort();
        }
        job.done()?;
        done += 1;
    }
    Ok(done)
}

fn parent(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::new().create_dirs(true);
    let jobs = options.open(dir.join("jobs"))?;
    for number in 0..JOBS {
        let job = if number == 40 { "deadly" } else { "harmless" };
        jobs.publish(&[NewMessage::value(job.as_bytes())])?;
    }
    jobs.close()?;
    drop(jobs);

    // Each attempt is noted before the job is given out, so the deadly one has its two attempts.
    for _ in 0..2 {
        let child = Command::new(std::env::current_exe()?).arg(dir).status()?;
        assert!(!child.success());
    }
    let queue = open(dir)?;
    let stat = queue.stat()?;
    println!("after two deaths: {} jobs are settled", stat.partitions[0].floor);
    println!("{} more are done", work(&queue, u64::MAX)?);
    let stat = queue.stat()?;
    assert_eq!((stat.partitions[0].floor, stat.buried), (JOBS, 1));
    queue.close()?;
    drop(queue);
    let letter = options.open(dir.join("dead"))?.get(Start::Oldest)?;
    println!("given up: {:?}", letter.value);
    assert_eq!(letter.headers.get(b"dead.offset"), Some(&b"40"[..]));
    Ok(std::fs::remove_dir_all(dir)?)
}

fn main() -> ExitCode {
    let ended = match std::env::args_os().nth(1) {
        Some(dir) => open(Path::new(&dir))
            .and_then(|queue| work(&queue, JOBS))
            .map(drop)
            .map_err(Into::into),
        None => parent(&std::env::temp_dir().join(format!("duramen-queue-{}", std::process::id()))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
