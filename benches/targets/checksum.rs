//! CRC: the checksum by size.

use std::hint::black_box;
use std::time::Instant;

use crate::Outcome;
use crate::args::Plan;
use crate::crc::crc32c;
use crate::measure::{in_turns, nanos_each};
use crate::report::{Report, Row, Target, Unit};

/// The library's way of computing CRC32C beside that of the crate `crc32c`.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome {
    if !plan.wants("CRC") {
        return Ok(());
    }
    report.begin("CRC");
    let bytes: Vec<u8> = (0..1_u64 << 16).map(|n| (n * n).to_le_bytes()[1]).collect();
    for len in [32, 64, 174, 256, 1024, 65_536] {
        let part = &bytes[..len];
        let [limit, library] = in_turns(
            plan.rounds,
            [
                &mut |_| Ok(nanos(len, || ::crc32c::crc32c_append(7, black_box(part)))),
                &mut |_| Ok(nanos(len, || crc32c(7, black_box(part)))),
            ],
        )?;
        report.add(Row {
            id: "CRC",
            what: format!("CRC32C of {len} bytes; for limit, the crate crc32c"),
            unit: Unit::Nanos,
            limit: Some(limit),
            library,
            target: Target::None,
        });
    }
    Ok(())
}

/// Nanoseconds for each call, of calls that do not depend on each other.
fn nanos(len: usize, sum: impl Fn() -> u32) -> f64 {
    let count = 20_000_000 / (len as u64 + 60);
    let start = Instant::now();
    for _ in 0..count {
        black_box(sum());
    }
    nanos_each(start, count)
}
