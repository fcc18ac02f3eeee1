//! Records `duramen consume --follow` beside a service, as an SVG that plays it:
//! `cargo bench --bench recording --features cli -- docs/follow.svg`.
//!
//! It shows what the service published and what the tool printed, each when it happened.

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{FileLog, Log as _, LogExt as _, NewMessage, Options};

/// The size of the picture, in pixels.
const WIDTH: u32 = 720;
/// The height of a row.
const ROW: u32 = 20;
/// The columns between two stops of a tabulator.
const TAB: usize = 8;
/// How long the last screen stays before the recording begins again, in seconds.
const REST: f64 = 4.0;
/// The time between two orders.
const PACE: Duration = Duration::from_millis(700);

const GET: &str = "get orders --key alice --format text";
const FOLLOW: &str = "consume orders --follow --from -1 --format text";
const ORDERS: [(&str, &str); 7] = [
    ("alice", r#"{"item":"lamp","count":2}"#),
    ("bob", r#"{"item":"desk","count":1}"#),
    ("carol", r#"{"item":"chair","count":4}"#),
    ("alice", r#"{"item":"rug","count":1}"#),
    ("dave", r#"{"item":"vase","count":3}"#),
    ("bob", r#"{"item":"shelf","count":2}"#),
    ("erin", r#"{"item":"clock","count":1}"#),
];
/// The orders that are there before anybody reads.
const BEFORE: usize = 2;

fn main() {
    let Some(path) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("name the file to write, such as docs/follow.svg");
        return;
    };
    let home = tempfile::tempdir().expect("a directory");
    let log = Options::new().create_dirs(true).key_index(true);
    let log = log.open(home.path().join("orders")).expect("a new log");
    let mut recording = Recording::begin();
    recording.play(&log, home.path());
    log.close().expect("a close");
    std::fs::write(&path, recording.draw()).expect("written");
    println!(
        "{path}: {} and {} lines",
        recording.service.len(),
        recording.terminal.len()
    );
}

/// A line of the screen, and when it came, in seconds from the beginning.
struct Line {
    at: f64,
    text: String,
}

/// What two halves of a screen show.
struct Recording {
    begun: Instant,
    service: Vec<Line>,
    terminal: Vec<Line>,
}

impl Recording {
    fn begin() -> Recording {
        Recording {
            begun: Instant::now(),
            service: Vec::new(),
            terminal: Vec::new(),
        }
    }

    fn line(&self, text: String) -> Line {
        let at = self.begun.elapsed().as_secs_f64();
        Line { at, text }
    }

    /// The service publishes while two commands read beside it.
    fn play(&mut self, log: &FileLog, home: &Path) {
        for order in &ORDERS[..BEFORE] {
            self.publish(log, *order);
        }
        thread::sleep(PACE);
        let (mut get, said) = self.start(GET, home);
        self.hear(&said, Duration::from_secs(5));
        get.wait().expect("a child");
        thread::sleep(PACE);
        let (mut follow, said) = self.start(FOLLOW, home);
        self.hear(&said, PACE);
        for order in &ORDERS[BEFORE..] {
            self.publish(log, *order);
            self.hear(&said, PACE);
        }
        follow.kill().expect("it goes on");
        follow.wait().expect("a child");
    }

    fn publish(&mut self, log: &FileLog, (key, value): (&str, &str)) {
        log.publish_one(NewMessage::new(key.as_bytes(), value.as_bytes()))
            .expect("publishes");
        let line = self.line(format!("publish {key:<8}{value}"));
        self.service.push(line);
    }

    /// Types a command, and returns it with the lines that it prints.
    fn start(&mut self, command: &str, home: &Path) -> (Child, Receiver<String>) {
        let line = self.line(format!("$ duramen {command}"));
        self.terminal.push(line);
        thread::sleep(Duration::from_millis(300));
        let mut child = Command::new(env!("CARGO_BIN_EXE_duramen"))
            .args(command.split(' '))
            .current_dir(home)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tool");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).all(|line| tell.send(line).is_ok()));
        (child, told)
    }

    /// Takes down what is printed in this time, or up to the end.
    fn hear(&mut self, said: &Receiver<String>, time: Duration) {
        let until = Instant::now() + time;
        while let Ok(text) = said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let line = self.line(text);
            self.terminal.push(line);
        }
    }

    fn draw(&self) -> String {
        let lines = self.service.iter().chain(&self.terminal);
        let total = lines.map(|line| line.at).fold(0.0, f64::max) + REST;
        let mut drawing = Drawing {
            total,
            frames: String::new(),
            body: String::new(),
            y: 0,
        };
        drawing.half("a service that has the log `orders` open", &self.service);
        drawing.half("a terminal beside it", &self.terminal);
        drawing.finish()
    }
}

/// An SVG in the making.
struct Drawing {
    /// The length of the recording, in seconds.
    total: f64,
    frames: String,
    body: String,
    y: u32,
}

impl Drawing {
    /// Draws a title and the lines below it, each from its moment on.
    fn half(&mut self, title: &str, lines: &[Line]) {
        self.y += ROW / 2;
        self.text("title", "", title);
        for line in lines {
            let name = format!("l{}", self.y);
            let percent = 100.0 * line.at / self.total;
            let _ = writeln!(
                self.frames,
                "@keyframes {name} {{ 0% {{ opacity: 0 }} {percent:.2}%, 100% {{ opacity: 1 }} }}"
            );
            let class = if line.text.starts_with('$') {
                "command"
            } else {
                "line"
            };
            let style = format!(
                " style=\"animation: {name} {:.2}s step-end infinite\"",
                self.total
            );
            self.text(class, &style, &line.text);
        }
    }

    fn text(&mut self, class: &str, style: &str, text: &str) {
        self.y += ROW;
        let text = without_tabs(text).replace('&', "&amp;").replace('<', "&lt;");
        let y = self.y;
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"16\" y=\"{y}\"{style}>{text}</text>"
        );
    }

    fn finish(self) -> String {
        let Drawing { frames, body, y, .. } = self;
        let height = y + ROW;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"
role="img" xml:space="preserve" aria-label="A service publishes; duramen consume --follow prints each message at once.">
<style>
text {{ font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #d7dde4; white-space: pre }}
.title {{ fill: #8893a0 }}
.command {{ fill: #8fd694 }}
{frames}</style>
<rect width="{WIDTH}" height="{height}" rx="8" fill="#1b2129"/>
{body}</svg>
"##
        )
    }
}

/// The text with spaces in place of tabs.
fn without_tabs(text: &str) -> String {
    text.chars().fold(String::new(), |mut line, char| {
        if char == '\t' {
            let len = line.chars().count();
            line.extend(std::iter::repeat_n(' ', TAB - len % TAB));
        } else {
            line.push(char);
        }
        line
    })
}
