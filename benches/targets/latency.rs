//! W12: the latency of single publishes.

use std::time::Instant;

use duramen::{Log as _, Options};

use crate::Outcome;
use crate::limit::{LONE, put};
use crate::measure::{Histogram, Samples};
use crate::publish::Bench;
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, time};

/// The percentiles over all rounds.
pub(crate) fn run(bench: &Bench<'_>, rounds: usize, report: &mut Report) -> Outcome {
    let options = Options::new().key_index(true).time_index(true);
    let (mut limit, mut library) = (Histogram::new(), Histogram::new());
    for round in 0..=rounds {
        let (in_limit, in_library) = (bench.limit_latencies()?, bench.library_latencies(&options)?);
        if round > 0 {
            limit.merge(&in_limit);
            library.merge(&in_library);
        }
    }
    let rows = [
        ("p50", 0.5, Target::None),
        ("p99", 0.99, Target::None),
        ("p99.9", 0.999, Target::AtMost(5e3)),
        ("p99.99", 0.9999, Target::AtMost(1e5)),
        ("worst", 1.0, Target::None),
    ];
    for (name, share, target) in rows {
        report.add(Row {
            id: "W12",
            what: format!("publish, one a call, both indexes: {name}, clock included"),
            unit: if share < 0.9999 { Unit::Nanos } else { Unit::Micros },
            limit: Some(Samples::of(vec![limit.percentile(share)])),
            library: Samples::of(vec![library.percentile(share)]),
            target,
        });
    }
    Ok(())
}

impl Bench<'_> {
    fn limit_latencies(&self) -> Outcome<Histogram> {
        let mut space = self.space()?;
        let map = &mut space.map[..];
        let mut histogram = Histogram::new();
        let mut at = 0;
        let mut last = Instant::now();
        for number in 0..self.messages {
            let (key, value) = (self.workload.key(number), self.workload.value(number));
            at += put::<LONE>(&mut map[at..], number, time(number), key, value);
            // One clock reading per message: the end of one publish is the start of the next.
            let now = Instant::now();
            histogram.record(now - last);
            last = now;
        }
        Ok(histogram)
    }

    fn library_latencies(&self, options: &Options) -> Outcome<Histogram> {
        let log = self.open(options)?;
        let mut histogram = Histogram::new();
        let mut last = Instant::now();
        for number in 0..self.messages {
            log.publish(&[self.workload.message(number)])?;
            let now = Instant::now();
            histogram.record(now - last);
            last = now;
        }
        self.finish(&log, Check::Sample)?;
        Ok(histogram)
    }
}
