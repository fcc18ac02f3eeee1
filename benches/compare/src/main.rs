//! duramen beside what a Rust user would otherwise pick.
//!
//! Each library publishes and reads the same messages with the same durability. All of them take
//! turns within each round. The medians are printed as a Markdown table, and written as JSON lines
//! with `--json`.
//!
//! ```text
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- [W1 W3 ...] [--only A,B]
//!     [--messages N] [--syncs N] [--open-mib N] [--rounds N] [--dir PATH] [--json FILE]
//! ```
//!
//! `README.md` says how each library is used, and what was left out.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "figures are rounded anyway, and counts are far below the limits of their types"
)]

mod args;
mod child;
#[path = "../../targets/device.rs"]
mod device;
#[path = "../../targets/exit.rs"]
mod exit;
mod libraries;
#[expect(dead_code, reason = "also has what only benches/targets needs")]
#[path = "../../targets/machine.rs"]
mod machine;
#[expect(dead_code, reason = "also has what only benches/targets needs")]
#[path = "../../targets/measure.rs"]
mod measure;
mod report;
mod rows;
mod store;
#[expect(dead_code, reason = "also has what only benches/targets needs")]
#[path = "../../targets/workload.rs"]
mod workload;

use std::process::ExitCode;

use args::Plan;
use report::Report;

/// The result of a measurement.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    exit::code("compare", run())
}

fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if child::is_child(&arguments) {
        return child::run(&arguments);
    }
    let plan = Plan::parse(&arguments)?;
    let work = machine::WorkDir::create(&plan.dir)?;
    let mut report = Report::new(&plan, work.path());
    rows::run(&plan, work.path(), &mut report);
    report.finish()
}
