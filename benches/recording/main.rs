//! Records `duramen consume --follow` beside a service, as an SVG that plays it:
//! `cargo bench --bench recording --features cli -- docs/follow.svg`.
//!
//! What is shown is what the tool printed, when it printed it.

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Log as _, LogExt as _, NewMessage, Options};

/// Columns and rows of the screen, without its title.
const SIZE: (usize, usize) = (96, 14);
/// The width of a column and the height of a row.
const CELL: (f64, f64) = (8.0, 19.0);
/// How long the last screen stays before the recording begins again.
const REST: f64 = 3.0;

const COMMANDS: [&str; 2] = ["stat orders", "consume orders --follow --from -2"];
const ORDERS: [(&str, &str); 9] = [
    ("alice", r#"{"item":"lamp","count":2}"#),
    ("bob", r#"{"item":"desk","count":1}"#),
    ("carol", r#"{"item":"chair","count":4}"#),
    ("alice", r#"{"item":"rug","count":1}"#),
    ("dave", r#"{"item":"vase","count":3}"#),
    ("bob", r#"{"item":"shelf","count":2}"#),
    ("erin", r#"{"item":"clock","count":1}"#),
    ("carol", r#"{"item":"mirror","count":1}"#),
    ("frank", r#"{"item":"bench","count":2}"#),
];

fn main() {
    let Some(path) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("name the file to write, as docs/follow.svg");
        return;
    };
    let lines = record();
    std::fs::write(&path, draw(&lines)).expect("written");
    println!("{path}: {} lines", lines.len());
}

/// A line of the screen, and when it came, in seconds from the beginning.
struct Line {
    at: f64,
    text: String,
}

fn record() -> Vec<Line> {
    let home = tempfile::tempdir().expect("a directory");
    let log = Options::new().create_dirs(true).key_index(true);
    let log = log.open(home.path().join("orders")).expect("a new log");
    let publish = |(key, value): (&str, &str)| {
        let message = NewMessage::new(key.as_bytes(), value.as_bytes());
        log.publish_one(message).expect("publishes");
    };
    ORDERS.iter().take(3).for_each(|order| publish(*order));
    let begun = Instant::now();
    let line = |text: String| Line {
        at: begun.elapsed().as_secs_f64(),
        text,
    };
    let mut lines = vec![line(
        "# a service has the log `orders` open and publishes to it".into(),
    )];
    thread::sleep(Duration::from_millis(700));
    for command in COMMANDS {
        lines.push(line(format!("$ duramen {command}")));
        thread::sleep(Duration::from_millis(300));
        let mut child = Command::new(env!("CARGO_BIN_EXE_duramen"))
            .args(command.split(' '))
            .current_dir(home.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tool");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            said.lines()
                .map_while(Result::ok)
                .all(|said| tell.send(said).is_ok())
        });
        if command.contains("--follow") {
            for order in &ORDERS[3..] {
                let until = Instant::now() + Duration::from_millis(650);
                while let Ok(said) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    lines.push(line(said));
                }
                publish(*order);
            }
            while let Ok(said) = told.recv_timeout(Duration::from_millis(300)) {
                lines.push(line(said));
            }
            child.kill().expect("a child");
        } else {
            lines.extend(told.into_iter().map(line));
            thread::sleep(Duration::from_millis(900));
        }
        child.wait().expect("a child");
    }
    log.close().expect("a close");
    lines
}

/// Draws the screen over time. Lines that no longer fit move out at the top.
fn draw(lines: &[Line]) -> String {
    let total = lines.last().map_or(0.0, |line| line.at) + REST;
    let (columns, rows) = SIZE;
    let (width, height) = (columns as f64 * CELL.0 + 24.0, rows as f64 * CELL.1 + 52.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"duramen consume --follow beside a service\">\n<style>\ntext {{ font: 13px ui-monospace, \
         Menlo, Consolas, monospace; fill: #d7dde4; white-space: pre }}\n.c {{ fill: #8fd694 }}\n.n {{ fill: #8893a0 }}\n"
    );
    let mut body = String::new();
    for (at, line) in lines.iter().enumerate() {
        let percent = |at: f64| 100.0 * at / total;
        // The line moves up by a row with each line that comes when the screen is full.
        let mut frames = format!(
            "0%,{:.2}%{{opacity:0;transform:none}}",
            (percent(line.at) - 0.01).max(0.0)
        );
        let row = at.min(rows - 1);
        let _ = write!(frames, "{:.2}%{{opacity:1;transform:none}}", percent(line.at));
        for (later, next) in lines.iter().enumerate().skip((at + 1).max(rows)) {
            let up = later + 1 - at - (rows - row);
            let opacity = if up > row { 0 } else { 1 };
            let shift = up as f64 * CELL.1;
            let (before, moved) = ((percent(next.at) - 0.01).max(0.0), percent(next.at));
            let back = (up - 1) as f64 * CELL.1;
            let was = if up > row + 1 { 0 } else { 1 };
            let _ = write!(
                frames,
                "{before:.2}%{{opacity:{was};transform:translateY(-{back}px)}}"
            );
            let _ = write!(
                frames,
                "{moved:.2}%{{opacity:{opacity};transform:translateY(-{shift}px)}}"
            );
        }
        let _ = writeln!(svg, "@keyframes l{at} {{ {frames} }}");
        let class = match line.text.chars().next() {
            Some('$') => "c",
            Some('#') => "n",
            _ => "o",
        };
        let y = 52.0 + row as f64 * CELL.1;
        let text: String = line.text.chars().take(columns).collect();
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            body,
            "<text class=\"{class}\" x=\"12\" y=\"{y}\" style=\"animation: l{at} {total:.2}s infinite\">{text}</text>"
        );
    }
    let _ = write!(
        svg,
        "</style>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1b2129\"/>\n<text class=\"n\" x=\"12\" \
         y=\"24\">a terminal, beside the service</text>\n{body}</svg>\n"
    );
    svg
}
