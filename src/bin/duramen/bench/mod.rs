//! `duramen bench`: measuring throughput and latency on this machine.

mod args;
mod phases;
mod report;
mod scratch;
mod workload;

use duramen::Log as _;

use crate::failure::Failure;
use crate::output::Output;
pub(crate) use args::Args;
use report::Report;
use scratch::Scratch;
use workload::Workload;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let workload = Workload::new(args);
    let scratch = Scratch::new(args.dir.as_deref())?;
    let log = args.options().open(scratch.path())?;
    let mut report = Report::new(args);

    report.add("publish", &phases::publish(&log, &workload)?);
    report.add("sync", &phases::sync(&log)?);
    report.add("consume", &phases::consume(&log, &workload)?);
    report.add("get", &phases::get(&log, &workload)?);
    if args.has_key_index() && workload.has_keys() {
        report.add("get_by_key", &phases::get_by_key(&log, &workload)?);
    }
    if args.has_time_index() {
        report.add("get_by_time", &phases::get_by_time(&log, &workload)?);
    }
    phases::verify(&log, &workload)?;
    log.close()?;

    let mut output = Output::stdout();
    if args.json {
        output.json(&report)?;
    } else {
        output.line(&report)?;
    }
    output.flush()
}
