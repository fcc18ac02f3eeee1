//! The command line: what to measure, and how much of it.

use std::path::PathBuf;

use crate::Outcome;
use crate::libraries::WAYS;
use crate::rows::Row;
use crate::store::Way;

/// The command line.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The identifiers of the rows to measure; empty for all.
    ids: Vec<String>,
    /// The libraries to measure; empty for all.
    only: Vec<String>,
    /// The number of messages in W1, W2, W5 to W7 and Q1, and an eighth of it in W2k.
    pub(crate) messages: u64,
    /// The number of durable publishes in W3. In W4, all threads together make four times as many.
    pub(crate) syncs: u64,
    /// The rough size in bytes of the log that W9 opens.
    pub(crate) open_bytes: u64,
    /// The number of measured rounds, not counting the first one, which warms up.
    pub(crate) rounds: usize,
    pub(crate) dir: PathBuf,
    /// Where to write the results as JSON lines.
    pub(crate) json: Option<PathBuf>,
}

impl Plan {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Plan> {
        let mut plan = Plan {
            ids: Vec::new(),
            only: Vec::new(),
            messages: 1_000_000,
            syncs: 3_000,
            open_bytes: 256 << 20,
            rounds: 5,
            dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/compare-data"),
            json: None,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--messages" => plan.messages = value()?.parse()?,
                "--syncs" => plan.syncs = value()?.parse()?,
                "--open-mib" => plan.open_bytes = value()?.parse::<u64>()? << 20,
                "--rounds" => plan.rounds = value()?.parse()?,
                "--dir" => plan.dir = PathBuf::from(value()?),
                "--json" => plan.json = Some(PathBuf::from(value()?)),
                "--only" => plan.only.extend(value()?.split(',').map(str::to_owned)),
                id if Row::ALL.iter().any(|row| row.id() == id) => plan.ids.push(id.to_owned()),
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        if plan.messages < 10_000 || plan.syncs == 0 || plan.rounds == 0 || plan.open_bytes < 1 << 20 {
            return Err("too few messages (at least 10000), syncs, rounds or bytes".into());
        }
        for name in &plan.only {
            if !WAYS.iter().any(|way| way.library == name) {
                return Err(format!("unknown library {name}").into());
            }
        }
        Ok(plan)
    }

    /// Whether the row is to be measured.
    pub(crate) fn wants(&self, row: Row) -> bool {
        self.ids.is_empty() || self.ids.iter().any(|id| id == row.id())
    }

    /// The ways to measure.
    pub(crate) fn ways(&self) -> Vec<&'static Way> {
        let wanted = |way: &&Way| self.only.is_empty() || self.only.iter().any(|name| name == way.library);
        WAYS.iter().filter(wanted).collect()
    }
}
