//! duramen beside what a Rust user would otherwise pick: the same messages, the same durability, each used the way
//! its own documentation recommends.
//!
//! ```text
//! cargo run --release -- [PEER ...] [--messages N] [--syncs N] [--rounds N] [--dir PATH] [--json]
//! ```
//!
//! A row that a peer cannot do, or not with the same durability, stays empty; why is said in `docs/benchmarks.md`.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "figures are rounded anyway, and counts are far below the limits of their types"
)]

mod args;
mod peer;
mod peers;
mod rows;
mod table;
#[path = "../../targets/workload.rs"]
#[expect(dead_code, reason = "shared with the other benchmark, which uses all of it")]
mod workload;

use std::process::ExitCode;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = args::Plan::parse(&arguments)?;
    peers::walrus::set_environment(&plan.dir);
    let mut table = table::Table::default();
    for kind in peers::ALL.iter().filter(|kind| plan.wants(kind.name)) {
        eprintln!("{} ...", kind.name);
        rows::measure(kind, &plan, &mut table)?;
    }
    let _ = std::fs::remove_dir_all(&plan.dir);
    table.print(plan.json)
}
