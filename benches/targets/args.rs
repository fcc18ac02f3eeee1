//! The command line: what to measure, and how much of it.

use std::path::PathBuf;

use crate::Outcome;
use crate::workload::FRAME_LEN;

/// The identifiers of all rows.
const IDS: [&str; 27] = [
    "CRC", "W1", "W2", "W2k", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W9u", "W10", "W12", "W13", "W14",
    "W15", "W6c", "P1", "P1h", "P1p", "P2", "ST1", "ST2", "ST3", "ST4", "Q1",
];

/// The command line.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The rows to measure; empty for all.
    only: Vec<String>,
    /// The number of messages in W1, W2, W5 to W8, W15, P2 and Q1.
    pub(crate) messages: u64,
    /// The number of durable publishes in W3. In W4 and P1 to P1p, all threads together make four times as many.
    pub(crate) syncs: u64,
    /// The size in bytes of the log that W9 and W9u open, W10 trims and W6c reads.
    pub(crate) open_bytes: u64,
    /// The number of logs that W14 opens, and of streams in ST1; ST4 has a tenth of them.
    pub(crate) logs: u64,
    /// The number of measured rounds, not counting the first one, which warms up.
    pub(crate) rounds: usize,
    pub(crate) dir: PathBuf,
    /// Also measure W1, W5, W6 and W8 with ten times the messages.
    pub(crate) scale: bool,
    pub(crate) json: bool,
}

impl Plan {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Plan> {
        let mut plan = Plan {
            only: Vec::new(),
            messages: 1_000_000,
            syncs: 5_000,
            open_bytes: 1 << 30,
            logs: 10_000,
            rounds: 5,
            dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench-data"),
            scale: false,
            json: false,
        };
        // `cargo test --benches` runs this too, without the argument that `cargo bench` adds. Then
        // the run is short and only shows that everything works.
        if !arguments.iter().any(|argument| argument == "--bench") && arguments.is_empty() {
            (plan.messages, plan.syncs, plan.logs) = (20_000, 50, 20);
            (plan.open_bytes, plan.rounds) = (4 << 20, 1);
        }
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--messages" => plan.messages = value()?.parse()?,
                "--syncs" => plan.syncs = value()?.parse()?,
                "--open-mib" => plan.open_bytes = value()?.parse::<u64>()? << 20,
                "--logs" => plan.logs = value()?.parse()?,
                "--rounds" => plan.rounds = value()?.parse()?,
                "--dir" => plan.dir = PathBuf::from(value()?),
                "--scale" => plan.scale = true,
                "--json" => plan.json = true,
                id if IDS.contains(&id) => plan.only.push(id.to_owned()),
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        let is_nothing = plan.syncs == 0 || plan.logs == 0 || plan.rounds == 0;
        if is_nothing || plan.messages < 10_000 || plan.open_bytes < 1 << 20 {
            return Err("too few messages (at least 10000), syncs, logs, rounds or bytes".into());
        }
        Ok(plan)
    }

    /// Whether the row `id` is to be measured.
    pub(crate) fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == id)
    }

    /// Roughly the largest number of bytes that any row has in files at a time.
    pub(crate) fn bytes_max(&self) -> u64 {
        let scaled = if self.scale { 10 } else { 1 };
        let opened = if ["W9", "W9u", "W10", "W6c"].into_iter().any(|id| self.wants(id)) {
            self.open_bytes
        } else {
            0
        };
        2 * opened.max(self.messages * scaled * FRAME_LEN)
    }
}
