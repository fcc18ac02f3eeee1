//! The rows, and how the libraries take turns in them.

use std::fs;
use std::path::Path;

use crate::args::Plan;
use crate::child::{Figure, Task};
use crate::device::Device;
use crate::report::{Line, Report};
use crate::store::{About, Way};
use crate::workload::{BATCH_COUNT, Check, FRAME_LEN, VALUE_LEN};
use crate::{Outcome, machine};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    One,
    Many,
    ManyLarge,
    Durable,
    Durable16,
    Durable64,
    Consume,
    Scan,
    Offset,
    Key,
    Open,
    Queue,
}

/// Rows that one child process measures one after the other, in one store.
const GROUPS: [&[Row]; 9] = [
    &[Row::One],
    &[Row::Many],
    &[Row::ManyLarge],
    &[Row::Durable],
    &[Row::Durable16],
    &[Row::Durable64],
    &[Row::Consume, Row::Scan, Row::Offset, Row::Key],
    &[Row::Open],
    &[Row::Queue],
];

impl Row {
    pub(crate) const ALL: [Row; 12] = [
        Row::One,
        Row::Many,
        Row::ManyLarge,
        Row::Durable,
        Row::Durable16,
        Row::Durable64,
        Row::Consume,
        Row::Scan,
        Row::Offset,
        Row::Key,
        Row::Open,
        Row::Queue,
    ];

    /// As in `benches/targets`. Some rows share one.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Row::One => "W1",
            Row::Many => "W2",
            Row::ManyLarge => "W2k",
            Row::Durable => "W3",
            Row::Durable16 | Row::Durable64 => "W4",
            Row::Consume | Row::Scan => "W5",
            Row::Offset => "W6",
            Row::Key => "W7",
            Row::Open => "W9",
            Row::Queue => "Q1",
        }
    }

    pub(crate) fn what(self, plan: &Plan) -> String {
        match self {
            Row::One => "publish, one a call".to_owned(),
            Row::Many => format!("publish, {BATCH_COUNT} a call, per message"),
            Row::ManyLarge => format!("publish, {BATCH_COUNT} a call of 1 KiB, per message"),
            Row::Durable => "publish durably, one a call, one thread".to_owned(),
            Row::Durable16 | Row::Durable64 => {
                let threads = self.threads();
                format!("publish durably, one a call, {threads} threads, per message")
            }
            Row::Consume => format!("consume everything, {BATCH_COUNT} at a time, per message"),
            Row::Scan => "read everything in one pass, per message".to_owned(),
            Row::Offset => "get by random offset".to_owned(),
            Row::Key => "get by random key".to_owned(),
            Row::Open => format!(
                "open a closed log of {} MiB and get one message",
                plan.open_bytes >> 20
            ),
            Row::Queue => "give out and settle the jobs of a backlog, one thread, per job".to_owned(),
        }
    }

    pub(crate) fn threads(self) -> u64 {
        match self {
            Row::Durable16 => 16,
            Row::Durable64 => 64,
            _ => 1,
        }
    }

    pub(crate) fn is_durable(self) -> bool {
        matches!(self, Row::Durable | Row::Durable16 | Row::Durable64)
    }

    /// Whether the row reads what another process has published.
    pub(crate) fn reads(self) -> bool {
        matches!(
            self,
            Row::Consume | Row::Scan | Row::Offset | Row::Key | Row::Open | Row::Queue
        )
    }

    pub(crate) fn value_len(self) -> usize {
        if self == Row::ManyLarge {
            1 << 10
        } else {
            VALUE_LEN
        }
    }

    fn messages(self, plan: &Plan) -> u64 {
        match self {
            // The number of bytes is the same, not the number of messages.
            Row::ManyLarge => plan.messages / 8,
            Row::Open => plan.open_bytes / FRAME_LEN,
            _ => plan.messages,
        }
    }
}

/// Measures everything that the plan asks for.
pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) {
    for group in GROUPS {
        let rows: Vec<Row> = group.iter().copied().filter(|row| plan.wants(*row)).collect();
        if !rows.is_empty() {
            in_turns(plan, dir, &rows, report);
        }
    }
}

/// What one way of using a library has shown so far.
#[derive(Debug)]
struct Side {
    way: &'static Way,
    /// Those of the group's rows that it takes part in.
    rows: Vec<Row>,
    figures: Vec<(Row, Figure)>,
    error: Option<String>,
}

/// Runs all sides in turns: once to warm up, with every byte compared, then for the figures. Each
/// round begins with another side.
fn in_turns(plan: &Plan, dir: &Path, rows: &[Row], report: &mut Report) {
    let can = |way: &Way, row: Row| matches!((way.about)(row), About::Can(_));
    let mut sides: Vec<Side> = plan
        .ways()
        .into_iter()
        .map(|way| Side {
            way,
            rows: rows.iter().copied().filter(|row| can(way, *row)).collect(),
            figures: Vec::new(),
            error: None,
        })
        .collect();
    for round in 0..=plan.rounds {
        for turn in 0..sides.len() {
            let at = (turn + round) % sides.len();
            let side = &mut sides[at];
            if side.rows.is_empty() || side.error.is_some() {
                continue;
            }
            eprintln!("{} round {round}: {}", rows[0].id(), side.way.name);
            let check = if round == 0 { Check::Full } else { Check::Sample };
            match take_turn(plan, dir, side, check) {
                Ok(figures) if round > 0 => side.figures.extend(figures),
                Ok(_) => {}
                Err(error) => side.error = Some(error.to_string()),
            }
        }
    }
    for row in rows {
        for side in &sides {
            add(plan, *row, side, report);
        }
    }
}

/// One side's turn in one round, in a directory of its own and in child processes, so that nothing
/// is left of the others: no memory, no threads, no open files.
fn take_turn(plan: &Plan, dir: &Path, side: &Side, check: Check) -> Outcome<Vec<(Row, Figure)>> {
    let store = dir.join("store");
    machine::clear(&store)?;
    fs::create_dir_all(&store)?;
    let first = side.rows[0];
    let messages = first.messages(plan);
    let bytes = messages * (FRAME_LEN + first.value_len() as u64 - VALUE_LEN as u64);
    if !first.is_durable() {
        machine::warm_page_cache(dir, bytes * 2)?;
    }
    let task = Task {
        build: first.reads(),
        way: side.way,
        rows: side.rows.clone(),
        dir: store.clone(),
        check,
        messages,
        syncs: plan.syncs,
    };
    if task.build {
        task.spawn()?;
        // What was just published is written out now, so that it does not disturb the reading.
        if let Some(device) = Device::of(dir)? {
            device.settled()?;
        }
    }
    let figures = Task { build: false, ..task }.spawn()?;
    machine::clear(&store)?;
    Ok(figures)
}

fn add(plan: &Plan, row: Row, side: &Side, report: &mut Report) {
    let (note, lacks) = match ((side.way.about)(row), &side.error) {
        (About::Skipped, _) => return,
        (About::Lacks(reason), _) => (reason.to_owned(), true),
        (About::Can(_), Some(error)) => {
            report.fail();
            (format!("FAILED: {error}"), true)
        }
        (About::Can(note), None) => (note.to_owned(), false),
    };
    let figures = || {
        side.figures
            .iter()
            .filter(|(of, _)| *of == row && !lacks)
            .map(|(_, figure)| figure)
    };
    report.add(Line {
        row,
        what: row.what(plan),
        way: side.way,
        nanos: figures().map(|figure| figure.nanos).collect(),
        device_bytes: figures().filter_map(|figure| figure.device_bytes).collect(),
        note,
    });
}
