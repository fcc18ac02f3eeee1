//! The results, as a Markdown table and as JSON lines.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use duramen::Timestamp;
use serde_json::json;

use crate::args::Plan;
use crate::measure::Samples;
use crate::rows::Row;
use crate::store::Way;
use crate::{Outcome, machine};

/// One row of one way of using a library. Without figures, the note says why.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) row: Row,
    pub(crate) what: String,
    pub(crate) way: &'static Way,
    pub(crate) nanos: Vec<f64>,
    pub(crate) device_bytes: Vec<f64>,
    pub(crate) note: String,
}

impl Line {
    fn median(&self) -> Option<f64> {
        median(&self.nanos)
    }

    /// `beside` is the median of the row's first line, which is duramen's.
    fn markdown(&self, beside: Option<f64>) -> String {
        let figure = self.median().map_or_else(|| "-".to_owned(), show);
        let ratio = self
            .median()
            .zip(beside)
            .map_or_else(String::new, |(median, beside)| format!("{:.2}x", median / beside));
        let device = median(&self.device_bytes).map_or_else(String::new, |bytes| format!("{bytes:.0}"));
        format!(
            "| {} | {} | {} | {figure} | {ratio} | {device} | {} |",
            self.row.id(),
            self.what,
            self.way.name,
            self.note
        )
    }
}

fn median(figures: &[f64]) -> Option<f64> {
    (!figures.is_empty()).then(|| Samples::of(figures.to_vec()).median())
}

/// A figure in nanoseconds, in a unit in which it is short.
fn show(nanos: f64) -> String {
    let (scaled, unit) = match nanos {
        ..1e4 => (nanos, "ns"),
        ..1e7 => (nanos / 1e3, "us"),
        _ => (nanos / 1e6, "ms"),
    };
    let digits = match scaled {
        ..9.95 => 2,
        ..99.5 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$} {unit}")
}

/// The lines so far. They are printed at the end, so that progress and table do not mix.
#[derive(Debug)]
pub(crate) struct Report {
    machine: String,
    head: String,
    lines: Vec<Line>,
    json: Option<PathBuf>,
    has_failed: bool,
}

impl Report {
    pub(crate) fn new(plan: &Plan, dir: &Path) -> Report {
        let machine = machine::describe(dir);
        Report {
            head: format!(
                "{machine}; {} messages, {} syncs, medians of {} rounds",
                plan.messages, plan.syncs, plan.rounds
            ),
            machine,
            lines: Vec::new(),
            json: plan.json.clone(),
            has_failed: false,
        }
    }

    pub(crate) fn add(&mut self, line: Line) {
        eprintln!("{}", line.markdown(None));
        self.lines.push(line);
    }

    /// Notes that a library did not do what it should. The run goes on without it.
    pub(crate) fn fail(&mut self) {
        self.has_failed = true;
    }

    /// Prints the table and writes the JSON lines.
    pub(crate) fn finish(&self) -> Outcome {
        println!("{}.\n", self.head);
        println!("| # | what | library | median | beside duramen | bytes to the device per message | note |");
        println!("|---|---|---|---:|---:|---:|---|");
        for line in &self.lines {
            let first = self.lines.iter().find(|other| other.row == line.row);
            let beside = first.filter(|first| first.way.library == "duramen");
            println!("{}", line.markdown(beside.and_then(Line::median)));
        }
        println!("\nVersions: {}.", self.versions()?);
        if let Some(path) = &self.json {
            fs::write(path, self.json_lines()?)?;
        }
        if self.has_failed {
            return Err("a library failed; its note says how".into());
        }
        Ok(())
    }

    fn json_lines(&self) -> Outcome<String> {
        let date = Timestamp::now().to_string();
        let mut text = String::new();
        for line in &self.lines {
            let object = json!({
                "row": line.row.id(),
                "what": line.what,
                "library": line.way.name,
                "version": version(line.way.library)?,
                "median": line.median(),
                "rounds": line.nanos,
                "unit": "ns",
                "device_bytes": median(&line.device_bytes),
                "note": line.note,
                "machine": self.machine,
                "date": date,
            });
            writeln!(text, "{object}")?;
        }
        Ok(text)
    }

    fn versions(&self) -> Outcome<String> {
        let mut names: Vec<&str> = self.lines.iter().map(|line| line.way.library).collect();
        names.sort_unstable();
        names.dedup();
        let versions: Outcome<Vec<String>> = names
            .into_iter()
            .map(|name| Ok(format!("{name} {}", version(name)?)))
            .collect();
        Ok(versions?.join(", "))
    }
}

/// The version of a package, as this program was built with it.
fn version(library: &str) -> Outcome<String> {
    const LOCK: &str = include_str!("../Cargo.lock");
    let (_, rest) = LOCK
        .split_once(&format!("name = \"{library}\"\nversion = \""))
        .ok_or("a library is not in Cargo.lock")?;
    let (version, _) = rest.split_once('"').ok_or("Cargo.lock has no version")?;
    Ok(match library {
        "rusqlite" => format!("{version} (SQLite {})", rusqlite::version()),
        _ => version.to_owned(),
    })
}
