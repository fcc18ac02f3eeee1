//! Figures by row and library.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Outcome;
use crate::peers::ALL;
use crate::rows::ROWS;

#[derive(Debug, Default)]
pub(crate) struct Table {
    figures: BTreeMap<(&'static str, &'static str), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, id: &'static str, name: &'static str, figures: Vec<f64>) {
        if figures.is_empty() {
            return;
        }
        eprintln!("  {id}: {}", show(median(&figures)));
        self.figures.insert((id, name), figures);
    }

    pub(crate) fn print(&self, as_json: bool) -> Outcome {
        if as_json {
            let rows: Vec<Value> = self
                .figures
                .iter()
                .map(|((id, name), figures)| {
                    json!({ "id": id, "library": name, "unit": "ns", "median": median(figures), "rounds": figures })
                })
                .collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        let names: Vec<&str> = ALL
            .iter()
            .map(|kind| kind.name)
            .filter(|name| self.figures.keys().any(|(_, measured)| measured == name))
            .collect();
        println!("| # | what | {} |", names.join(" | "));
        println!("|---|---|{}", "---:|".repeat(names.len()));
        for (id, what) in ROWS {
            let cells: Vec<String> = names
                .iter()
                .map(|name| {
                    self.figures
                        .get(&(id, *name))
                        .map_or_else(String::new, |f| show(median(f)))
                })
                .collect();
            println!(
                "| {} | {what} | {} |",
                id.trim_end_matches('b'),
                cells.join(" | ")
            );
        }
        Ok(())
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

fn show(nanos: f64) -> String {
    let (scaled, unit) = match nanos {
        n if n < 10e3 => (n, "ns"),
        n if n < 10e6 => (n / 1e3, "us"),
        n => (n / 1e6, "ms"),
    };
    let digits = if scaled < 9.95 {
        2
    } else {
        usize::from(scaled < 99.5)
    };
    format!("{scaled:.digits$} {unit}")
}
