//! What to measure, and how much of it.

use std::path::PathBuf;

use crate::Outcome;
use crate::peers::ALL;

/// The command line.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    only: Vec<String>,
    pub(crate) messages: u64,
    pub(crate) syncs: u64,
    pub(crate) rounds: usize,
    pub(crate) dir: PathBuf,
    pub(crate) json: bool,
}

impl Plan {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Plan> {
        let mut plan = Plan {
            only: Vec::new(),
            messages: 200_000,
            syncs: 2_000,
            rounds: 3,
            dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/compare-data"),
            json: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--messages" => plan.messages = value()?.parse()?,
                "--syncs" => plan.syncs = value()?.parse()?,
                "--rounds" => plan.rounds = value()?.parse()?,
                "--dir" => plan.dir = PathBuf::from(value()?),
                "--json" => plan.json = true,
                name if ALL.iter().any(|kind| kind.name == name) => plan.only.push(name.to_owned()),
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        plan.dir = plan.dir.join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&plan.dir)?;
        Ok(plan)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
