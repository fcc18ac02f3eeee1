//! Draws the results of the comparison: one panel a row, one bar a library, on a logarithmic scale.
//!
//! ```text
//! cargo run --release --manifest-path benches/compare/Cargo.toml --bin chart -- \
//!     results.jsonl chart.svg [W1 W3 ...]
//! ```
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "coordinates and exponents of ten are small"
)]

#[path = "../../../targets/exit.rs"]
mod exit;

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use serde_json::Value;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const WIDTH: f64 = 850.0;
const MARGIN: f64 = 16.0;
/// Where the bars begin, to the right of the names.
const BARS_LEFT: f64 = 196.0;
/// The room for a bar of full length. To its right is the figure.
const BARS_WIDTH: f64 = 540.0;
const BAR_PITCH: f64 = 22.0;
const BAR_HEIGHT: f64 = 15.0;
const TITLE_HEIGHT: f64 = 28.0;
const AXIS_HEIGHT: f64 = 22.0;
const LINE_HEIGHT: f64 = 18.0;
const PANEL_GAP: f64 = 20.0;
/// How many characters of the line of absent libraries fit below a panel.
const ABSENT_CHARS: usize = 115;

/// The panel has a background of its own, so that it is readable wherever it is shown.
const STYLE: &str = "
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 12px; fill: #57606a }
  .own { font-weight: 600 }
  .back { fill: #ffffff; stroke: #d0d7de }
  .grid { stroke: #d8dee4 }
  .bar { fill: #8c959f }
  .bar.own { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .back { fill: #0d1117; stroke: #3d444d }
    .grid { stroke: #2a313c }
    .bar { fill: #6e7681 }
    .bar.own { fill: #4493f8 }
  }
";

fn main() -> ExitCode {
    exit::code("chart", run())
}

fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, rows @ ..] = &arguments[..] else {
        return Err("chart needs a file of JSON lines and the name of the SVG to write".into());
    };
    let panels = panels(&fs::read_to_string(from)?, rows)?;
    if panels.is_empty() {
        return Err("no rows to draw".into());
    }
    fs::write(to, draw(&panels)?)?;
    Ok(())
}

/// One row of the comparison.
#[derive(Debug)]
struct Panel {
    id: String,
    what: String,
    /// Fastest first.
    bars: Vec<Bar>,
    /// The libraries that the row does not have.
    absent: Vec<String>,
    machine: String,
}

#[derive(Debug)]
struct Bar {
    name: String,
    nanos: f64,
    /// Whether the library does less than the others in this row, as its note says.
    is_unequal: bool,
}

/// The rows in the order of the file; all of them, or those named.
fn panels(text: &str, only: &[String]) -> Outcome<Vec<Panel>> {
    let mut panels: Vec<Panel> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line)?;
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        if !only.is_empty() && !only.contains(&word("row")) {
            continue;
        }
        let at = panels.iter().position(|panel| panel.what == word("what"));
        let at = at.unwrap_or_else(|| {
            panels.push(Panel {
                id: word("row"),
                what: word("what"),
                bars: Vec::new(),
                absent: Vec::new(),
                machine: format!(
                    "{}, {}",
                    word("machine"),
                    word("date").get(..10).unwrap_or_default()
                ),
            });
            panels.len() - 1
        });
        match line["median"].as_f64() {
            Some(nanos) => panels[at].bars.push(Bar {
                name: word("library"),
                nanos,
                is_unequal: word("note").starts_with("NOT EQUAL"),
            }),
            None => panels[at].absent.push(word("library")),
        }
    }
    for panel in &mut panels {
        panel
            .bars
            .sort_by(|left, right| left.nanos.total_cmp(&right.nanos));
    }
    panels.retain(|panel| !panel.bars.is_empty());
    Ok(panels)
}

impl Panel {
    fn height(&self) -> f64 {
        let absent = self.absent_lines().len() as f64 * LINE_HEIGHT;
        TITLE_HEIGHT + self.bars.len() as f64 * BAR_PITCH + AXIS_HEIGHT + absent + PANEL_GAP
    }

    fn absent_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = "not in this row: ".to_owned();
        for (at, name) in self.absent.iter().enumerate() {
            if line.len() + name.len() > ABSENT_CHARS {
                lines.push(std::mem::take(&mut line));
            }
            let end = if at + 1 < self.absent.len() { ", " } else { "" };
            line = line + name + end;
        }
        if !self.absent.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// Draws the panel with its upper edge at `top`.
    fn draw(&self, svg: &mut String, top: f64) -> Outcome {
        let scale = Scale::of(&self.bars);
        let title = escape(&format!("{}: {}", self.id, self.what));
        let baseline = top + 17.0;
        writeln!(
            svg,
            r#"<text class="title" x="{MARGIN}" y="{baseline}">{title}</text>"#
        )?;
        let first = top + TITLE_HEIGHT;
        let below = first + self.bars.len() as f64 * BAR_PITCH;
        for exponent in scale.first..=scale.last {
            let x = BARS_LEFT + scale.len(10_f64.powi(exponent));
            let y = below + 15.0;
            let label = show(10_f64.powi(exponent), 0);
            writeln!(
                svg,
                r#"<line class="grid" x1="{x:.1}" y1="{first}" x2="{x:.1}" y2="{below}"/>"#
            )?;
            writeln!(
                svg,
                r#"<text class="small" x="{x:.1}" y="{y}" text-anchor="middle">{label}</text>"#
            )?;
        }
        for (at, bar) in self.bars.iter().enumerate() {
            bar.draw(svg, first + at as f64 * BAR_PITCH, &scale)?;
        }
        for (at, line) in self.absent_lines().iter().enumerate() {
            let y = below + AXIS_HEIGHT + 13.0 + at as f64 * LINE_HEIGHT;
            let line = escape(line);
            writeln!(svg, r#"<text class="small" x="{MARGIN}" y="{y}">{line}</text>"#)?;
        }
        Ok(())
    }
}

impl Bar {
    fn draw(&self, svg: &mut String, top: f64, scale: &Scale) -> Outcome {
        let own = if self.name.starts_with("duramen") {
            " own"
        } else {
            ""
        };
        let mark = if self.is_unequal { " *" } else { "" };
        let name = escape(&self.name) + mark;
        let (y, baseline) = (top + (BAR_PITCH - BAR_HEIGHT) / 2.0, top + 15.5);
        let (len, left) = (scale.len(self.nanos), BARS_LEFT - 8.0);
        writeln!(
            svg,
            r#"<text class="name{own}" x="{left}" y="{baseline}" text-anchor="end">{name}</text>"#
        )?;
        writeln!(
            svg,
            r#"<rect class="bar{own}" x="{BARS_LEFT}" y="{y}" width="{len:.1}" height="{BAR_HEIGHT}" rx="2"/>"#
        )?;
        let right = BARS_LEFT + len + 6.0;
        let figure = show(self.nanos, 3);
        writeln!(
            svg,
            r#"<text class="figure{own}" x="{right:.1}" y="{baseline}">{figure}</text>"#
        )?;
        Ok(())
    }
}

/// From half of the smallest figure to the largest, in logarithms.
#[derive(Debug)]
struct Scale {
    from: f64,
    to: f64,
    /// The first and the last power of ten within.
    first: i32,
    last: i32,
}

impl Scale {
    fn of(bars: &[Bar]) -> Scale {
        let all = || bars.iter().map(|bar| bar.nanos.max(0.1));
        let from = (all().fold(f64::INFINITY, f64::min) / 2.0).log10();
        let to = all().fold(0.0, f64::max).log10().max(from + 1.0);
        Scale {
            from,
            to,
            first: from.ceil() as i32,
            last: to.floor() as i32,
        }
    }

    fn len(&self, nanos: f64) -> f64 {
        let share = (nanos.max(0.1).log10() - self.from) / (self.to - self.from);
        share * BARS_WIDTH
    }
}

/// A time with about this many digits; 0 for a power of ten.
fn show(nanos: f64, digits: usize) -> String {
    let (scaled, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "us"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let whole = match scaled {
        ..9.995 => 1,
        ..99.95 => 2,
        _ => 3,
    };
    let decimals = digits.saturating_sub(whole);
    format!("{scaled:.decimals$} {unit}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn draw(panels: &[Panel]) -> Outcome<String> {
    let is_unequal = |panel: &Panel| panel.bars.iter().any(|bar| bar.is_unequal);
    let mut notes =
        vec!["Time per message or call: shorter is better. Each panel has its own scale.".to_owned()];
    if panels.iter().any(is_unequal) {
        notes.push("* what it published is lost when the process dies, unlike with the others".to_owned());
    }
    notes.extend(panels.first().map(|panel| panel.machine.clone()));
    let notes_height = notes.len() as f64 * LINE_HEIGHT;
    let height = 2.0 * MARGIN + panels.iter().map(Panel::height).sum::<f64>() + notes_height;
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">"#
    )?;
    writeln!(
        svg,
        "<title>duramen beside other libraries</title>\n<style>{STYLE}</style>"
    )?;
    let (back_width, back_height) = (WIDTH - 1.0, height - 1.0);
    writeln!(
        svg,
        r#"<rect class="back" x="0.5" y="0.5" width="{back_width}" height="{back_height}" rx="6"/>"#
    )?;
    let mut top = MARGIN;
    for panel in panels {
        panel.draw(&mut svg, top)?;
        top += panel.height();
    }
    for (at, note) in notes.iter().enumerate() {
        let y = top + 13.0 + at as f64 * LINE_HEIGHT;
        let note = escape(note);
        writeln!(svg, r#"<text class="small" x="{MARGIN}" y="{y}">{note}</text>"#)?;
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}
