//! W15: what the device writes for what is published.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duramen::{Durability, Log as _, NewMessage, Options, PublishOptions};

use crate::args::Plan;
use crate::device::Device;
use crate::measure::Samples;
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{BATCH_COUNT, Check, VALUE_LEN, Workload, ensure};
use crate::{Outcome, machine};

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if !plan.wants("W15") {
        return Ok(());
    }
    report.begin("W15");
    let Some(device) = Device::of(dir)? else {
        return Ok(());
    };
    let bench = Bench {
        dir: dir.join("written"),
        workload: Workload::new(VALUE_LEN),
        device,
        messages: plan.messages,
    };
    let interval = Durability::Interval(Duration::from_millis(100));
    let modes = [
        ("mode Os", Durability::Os, false, Target::Ratio(1.3)),
        ("a sync every 100 ms", interval, false, Target::None),
        ("a sync each call", Durability::Os, true, Target::None),
    ];
    for (name, durability, sync, target) in modes {
        let options = Options::new().durability(durability);
        let how = PublishOptions::new().sync(sync);
        let (mut framed, mut written) = (Vec::new(), Vec::new());
        for round in 0..plan.rounds {
            let check = if round == 0 { Check::Full } else { Check::Sample };
            let bytes = bench.library(check, &options, &how)?;
            framed.push(bytes.framed as f64);
            written.push(bytes.written as f64);
        }
        report.add(Row {
            id: "W15",
            what: format!(
                "written to the device, {BATCH_COUNT} a call, {name}, with close; for limit, framed"
            ),
            unit: Unit::MiB,
            limit: Some(Samples::of(framed)),
            library: Samples::of(written),
            target,
        });
    }
    Ok(())
}

#[derive(Debug)]
struct Bench {
    dir: PathBuf,
    workload: Workload,
    device: Device,
    messages: u64,
}

/// Numbers of bytes.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    /// In the segments of the closed log: keys, values, and what frames them.
    framed: u64,
    /// Written to the device, indexes and the file system's own notes included.
    written: u64,
}

impl Bench {
    fn library(&self, check: Check, options: &Options, how: &PublishOptions<'_>) -> Outcome<Bytes> {
        machine::clear(&self.dir)?;
        let options = options.clone().key_index(true).time_index(true);
        let before = self.device.settled()?;
        let log = options.clone().create_dirs(true).open(&self.dir)?;
        let mut batch: Vec<NewMessage<'_>> = Vec::with_capacity(BATCH_COUNT);
        for first in (0..self.messages).step_by(BATCH_COUNT) {
            let end = self.messages.min(first + BATCH_COUNT as u64);
            batch.clear();
            batch.extend((first..end).map(|number| self.workload.message(number)));
            let next = log.publish_with(&batch, how)?;
            ensure(next == end, "a batch got other offsets than expected")?;
        }
        log.close()?;
        // This also writes what a closed log may leave to the system.
        let written = self.device.settled()? - before;
        if check == Check::Full {
            let log = options.open(&self.dir)?;
            crate::read::verify_all(&log, &self.workload, self.messages)?;
            log.close()?;
        }
        let framed = self.framed()?;
        Ok(Bytes { framed, written })
    }

    /// The length of all segments.
    fn framed(&self) -> Outcome<u64> {
        let mut len = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|kind| kind == "log") {
                len += entry.metadata()?.len();
            }
        }
        Ok(len)
    }
}
