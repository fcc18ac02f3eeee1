//! Q1: giving out and settling the jobs of a backlog.

use std::path::Path;
use std::time::{Duration, Instant};

use duramen::queue::{Queue, QueueOptions};
use duramen::{Log as _, NewMessage, Options};

use crate::Outcome;
use crate::args::Plan;
use crate::measure::{Samples, nanos_each};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{VALUE_LEN, ensure};

/// 500,000 jobs a second.
const NANOS_MAX: f64 = 2000.0;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if !plan.wants("Q1") {
        return Ok(());
    }
    report.begin("Q1");
    let mut nanos = Vec::new();
    for round in 0..plan.rounds {
        let dir = dir.join(format!("queue-{round}"));
        let log = Options::new().create_dirs(true).open(dir.join("log"))?;
        let batch = vec![NewMessage::value(&[7; VALUE_LEN]); 1000];
        for _ in 0..plan.messages / 1000 {
            log.publish(&batch)?;
        }
        let jobs = log.next_offset()?;
        let queue = Queue::open(log, dir.join("queue"), QueueOptions::new())?;
        let begun = Instant::now();
        let mut done = 0;
        while let Some(job) = queue.next(Some(Duration::ZERO))? {
            job.done()?;
            done += 1;
        }
        nanos.push(nanos_each(begun, jobs));
        ensure(done == jobs, "each job is done once")?;
        queue.close()?;
        drop(queue);
        std::fs::remove_dir_all(&dir)?;
    }
    report.add(Row {
        id: "Q1",
        what: "next and done of a backlog, one thread, mode Os, per job".to_owned(),
        unit: Unit::Nanos,
        limit: None,
        library: Samples::of(nanos),
        target: Target::AtMost(NANOS_MAX),
    });
    Ok(())
}
