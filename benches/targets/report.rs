//! The report table.

use std::path::Path;

use serde_json::{Value, json};

use crate::args::Plan;
use crate::measure::Samples;
use crate::{Outcome, machine};

/// The unit of a row's figures.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Nanos,
    Micros,
    Millis,
    Bytes,
    KiB,
    MiB,
    /// A number of things.
    Count,
}

impl Unit {
    /// A figure in nanoseconds or bytes, or a number, printed in this unit.
    fn show(self, figure: f64) -> String {
        let (scaled, name) = match self {
            Unit::Nanos => (figure, "ns"),
            Unit::Micros => (figure / 1e3, "us"),
            Unit::Millis => (figure / 1e6, "ms"),
            Unit::Bytes => (figure, "B"),
            Unit::KiB => (figure / 1024.0, "KiB"),
            Unit::MiB => (figure / f64::from(1 << 20), "MiB"),
            Unit::Count => (figure, ""),
        };
        let digits = if scaled < 9.95 {
            2
        } else {
            usize::from(scaled < 99.5)
        };
        format!("{scaled:.digits$} {name}").trim_end().to_owned()
    }
}

/// The goal for the library.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At most this many times the limit.
    Ratio(f64),
    /// At most this figure, whatever the limit.
    AtMost(f64),
    /// At least this figure.
    AtLeast(f64),
    /// No goal: the row is only for comparison.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) limit: Option<Samples>,
    pub(crate) library: Samples,
    pub(crate) target: Target,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        Some(self.library.median() / self.limit.as_ref()?.median())
    }

    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::Ratio(max) => self.ratio().map(|ratio| ratio <= max),
            Target::AtMost(max) => Some(self.library.median() <= max),
            Target::AtLeast(min) => Some(self.library.median() >= min),
            Target::None => None,
        }
    }

    fn target_text(&self) -> String {
        let target = match self.target {
            Target::Ratio(max) => format!("<= {max}x"),
            Target::AtMost(max) => format!("<= {}", self.unit.show(max)),
            Target::AtLeast(min) => format!(">= {}", self.unit.show(min)),
            Target::None => return String::new(),
        };
        target
            + if self.is_met() == Some(false) {
                ", missed"
            } else {
                ""
            }
    }

    fn markdown(&self) -> String {
        let limit = self
            .limit
            .as_ref()
            .map_or_else(String::new, |limit| self.unit.show(limit.median()));
        let library = self.unit.show(self.library.median());
        let ratio = self
            .ratio()
            .map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
        format!(
            "| {} | {} | {limit} | {library} | {ratio} | {} |",
            self.id,
            self.what,
            self.target_text()
        )
    }

    fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Nanos | Unit::Micros | Unit::Millis => "ns",
            Unit::Bytes | Unit::KiB | Unit::MiB => "bytes",
            Unit::Count => "count",
        };
        let side = |samples: &Samples| json!({ "median": samples.median(), "rounds": samples.all() });
        json!({
            "id": self.id,
            "what": self.what,
            "unit": unit,
            "limit": self.limit.as_ref().map(side),
            "library": side(&self.library),
            "ratio": self.ratio(),
            "target": self.target_text(),
            "met": self.is_met(),
        })
    }
}

/// The rows measured so far. They are printed at the end, so that progress and table do not mix.
#[derive(Debug)]
pub(crate) struct Report {
    head: String,
    rows: Vec<Row>,
    json: bool,
}

impl Report {
    pub(crate) fn new(plan: &Plan, dir: &Path) -> Report {
        let head = format!(
            "{}; {} messages, medians of {} rounds",
            machine::describe(dir),
            plan.messages,
            plan.rounds
        );
        Report {
            head,
            rows: Vec::new(),
            json: plan.json,
        }
    }

    /// Prints the name of the current measurement on standard error.
    pub(crate) fn begin(&self, id: &str) {
        eprintln!(
            "{} {id} ...",
            if self.rows.is_empty() {
                "measuring"
            } else {
                "         "
            }
        );
    }

    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", row.markdown());
        self.rows.push(row);
    }

    pub(crate) fn print(&self) -> Outcome {
        if self.json {
            let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
            println!(
                "{}",
                serde_json::to_string_pretty(&json!({ "machine": self.head, "rows": rows }))?
            );
            return Ok(());
        }
        println!("{}.\n", self.head);
        println!("| # | what | limit | library | ratio | target |");
        println!("|---|---|---:|---:|---:|---|");
        for row in &self.rows {
            println!("{}", row.markdown());
        }
        Ok(())
    }
}
