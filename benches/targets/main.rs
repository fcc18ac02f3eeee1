//! The speed of the library compared with what the hardware allows.
//!
//! Every measurement of the library has a *limit*: minimal code in this benchmark that stores,
//! checks or finds the same bytes. The two run in turns (limit, library, limit, library). The
//! medians and their ratio are printed as rows of a Markdown table or, with `--json`, as JSON.
//!
//! ```text
//! cargo bench --bench targets -- [W1 W5 ...] [--messages N] [--syncs N] [--open-mib N]
//!                                [--logs N] [--rounds N] [--dir PATH] [--scale] [--json]
//! ```
//!
//! `docs/benchmarks.md` describes what each row measures.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded anyway, and counts are far below the limits of their types"
)]

mod args;
mod checksum;
mod child;
mod cold;
mod commit;
#[expect(dead_code, reason = "also has what only the library needs")]
#[path = "../../src/sys/crc.rs"]
mod crc;
mod device;
mod durable;
mod exit;
mod latency;
mod limit;
mod lookup;
mod machine;
mod many;
mod measure;
mod open;
mod producer;
mod publish;
mod queue;
mod read;
mod report;
mod spread;
mod stream_commit;
mod streams;
mod tail;
mod trim;
mod workload;
mod written;

use std::process::ExitCode;

use args::Plan;
use report::Report;

/// The result of a measurement. A failed check or call ends the whole run.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    exit::code("targets", run())
}

fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    machine::raise_descriptor_limit()?;
    if let Some(child::Task { what, dir, number }) = child::Task::parse(&arguments)? {
        return match what.as_str() {
            open::MEMORY => open::memory_child(&dir, number),
            open::PUBLISH => open::publish_child(&dir, number),
            streams::MAKE => streams::make_child(&dir, number),
            streams::OPEN => streams::open_child(&dir, number),
            streams::EXPIRE => streams::expire_child(&dir, number),
            many::TASK => many::child(&dir, number),
            _ => Err(format!("unknown child {what}").into()),
        };
    }
    let plan = Plan::parse(&arguments)?;
    let work = machine::WorkDir::create(&plan.dir)?;
    machine::warm_page_cache(work.path(), plan.bytes_max())?;
    let mut report = Report::new(&plan, work.path());
    checksum::run(&plan, &mut report)?;
    publish::run(&plan, work.path(), &mut report)?;
    durable::run(&plan, work.path(), &mut report)?;
    producer::run(&plan, work.path(), &mut report)?;
    written::run(&plan, work.path(), &mut report)?;
    read::run(&plan, work.path(), &mut report)?;
    lookup::run(&plan, work.path(), &mut report)?;
    tail::run(&plan, work.path(), &mut report)?;
    open::run(&plan, work.path(), &mut report)?;
    trim::run(&plan, work.path(), &mut report)?;
    cold::run(&plan, work.path(), &mut report)?;
    many::run(&plan, work.path(), &mut report)?;
    streams::run(&plan, work.path(), &mut report)?;
    queue::run(&plan, work.path(), &mut report)?;
    report.print()
}
