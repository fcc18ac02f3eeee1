//! ST2: publishing durably to many streams.

use std::path::Path;

use duramen::store::{StoreOptions, StreamConfig};
use duramen::{Durability, FileLog, Log as _, Options};

use crate::args::Plan;
use crate::commit::{GroupCommit, LoneCommit};
use crate::measure::{by_threads, in_turns};
use crate::report::{Report, Row, Target, Unit};
use crate::spread::WholeCommit;
use crate::streams::{made, publish};
use crate::workload::Workload;
use crate::{Outcome, machine};

const THREADS: u64 = 16;
const FILES: u64 = 64;

/// The stream or file that a message goes to.
fn file_of(number: u64) -> usize {
    (number * 7 % FILES) as usize
}

/// The system alone, with the same bytes.
struct Alone<'a> {
    dir: &'a Path,
    workload: &'a Workload,
    messages: u64,
}

impl Alone<'_> {
    /// One sync of one file for all threads.
    fn one_file(&self) -> Outcome<f64> {
        let commit = GroupCommit::new(self.dir, self.messages)?;
        let nanos = by_threads(THREADS, self.messages, &|number| {
            commit.publish(self.workload, number)
        })?;
        commit.finish(self.messages)?;
        Ok(nanos)
    }

    /// Each thread syncs the file that it has written.
    fn each_file(&self) -> Outcome<f64> {
        let files = (0..FILES).map(|_| LoneCommit::new(self.dir, self.messages));
        let files: Vec<_> = files.collect::<Outcome<_>>()?;
        by_threads(THREADS, self.messages, &|number| {
            files[file_of(number)].publish(self.workload, number)
        })
    }

    /// One call for all threads, which syncs the whole file system.
    fn all_files(&self) -> Outcome<f64> {
        let commit = WholeCommit::new(self.dir, FILES as usize, self.messages)?;
        let nanos = by_threads(THREADS, self.messages, &|number| {
            commit.publish(self.workload, file_of(number), number)
        })?;
        commit.finish(file_of(0), 0)?;
        Ok(nanos)
    }
}

pub(crate) fn durable(plan: &Plan, workload: &Workload, dir: &Path, report: &mut Report) -> Outcome {
    let home = dir.join("durable");
    let messages = (plan.syncs * 4).next_multiple_of(THREADS);
    let config = StreamConfig::new().durability(Durability::EachPublish);
    let (store, all) = made(&home.join("store"), FILES, &StoreOptions::new(), &config)?;
    let log = Options::new()
        .create_dirs(true)
        .durability(Durability::EachPublish)
        .open(home.join("log"))?;
    let alone = Alone {
        dir: &home,
        workload,
        messages,
    };
    let lone = |number: u64| Ok(log.publish(&[workload.message(number)]).map(|_| ())?);
    let spread = |number: u64| Ok(publish(&all[file_of(number)], workload.message(number))?);
    let [lone, spread, one_file, each_file, all_files] = in_turns(
        plan.rounds,
        [
            &mut |_| by_threads(THREADS, messages, &lone),
            &mut |_| by_threads(THREADS, messages, &spread),
            &mut |_| alone.one_file(),
            &mut |_| alone.each_file(),
            &mut |_| alone.all_files(),
        ],
    )?;
    store.close()?;
    FileLog::close(&log)?;
    drop((store, all, log));
    machine::clear(&home)?;
    let what = "publish durably to 64 streams, 16 threads, per message; limit: to a single log";
    let each = "the system alone, 16 threads sync each its own of 64 files; limit: one sync of one file";
    let whole = "the system alone, one `syncfs` for 16 threads; limit: one sync of one file";
    let rows = [
        (what, lone, spread, Target::Ratio(1.3)),
        (each, one_file.clone(), each_file, Target::None),
        (whole, one_file, all_files, Target::None),
    ];
    for (what, limit, library, target) in rows {
        report.add(Row {
            id: "ST2",
            what: what.to_owned(),
            unit: Unit::Micros,
            limit: Some(limit),
            library,
            target,
        });
    }
    Ok(())
}
