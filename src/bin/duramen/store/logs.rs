//! The logs that a store is made of, as reports on them are printed.

use serde::Serialize;

use duramen::store::{PartitionReport, StoreProblem, StoreProblemKind};

/// A log of a store.
#[derive(Serialize)]
#[serde(tag = "log", rename_all = "lowercase")]
pub(super) enum Which {
    Catalog,
    Intents,
    Partition {
        stream: String,
        id: String,
        partition: u32,
    },
}

impl<T> From<&PartitionReport<T>> for Which {
    fn from(of: &PartitionReport<T>) -> Which {
        Which::Partition {
            stream: of.stream.clone(),
            id: of.id.to_string(),
            partition: of.partition,
        }
    }
}

/// A log, and what there is to say of it.
#[derive(Serialize)]
pub(super) struct Line<T> {
    #[serde(flatten)]
    pub(super) log: Which,
    #[serde(flatten)]
    pub(super) said: T,
}

/// Why nothing else can be said of a log.
#[derive(Serialize)]
pub(super) struct Refused {
    error: String,
}

impl Line<Refused> {
    pub(super) fn of_error(log: Which, error: &duramen::Error) -> Line<Refused> {
        let error = error.to_string();
        Line {
            log,
            said: Refused { error },
        }
    }
}

/// A [`StoreProblem`] in the form in which it is printed.
#[derive(Serialize)]
pub(super) struct ProblemLine {
    path: String,
    offset: Option<u64>,
    kind: &'static str,
    text: String,
}

impl From<&StoreProblem> for ProblemLine {
    fn from(problem: &StoreProblem) -> ProblemLine {
        ProblemLine {
            path: problem.path.to_string_lossy().into_owned(),
            offset: problem.offset,
            kind: match problem.kind {
                StoreProblemKind::Catalog => "catalog",
                StoreProblemKind::Unknown => "unknown",
                StoreProblemKind::Missing => "missing",
                StoreProblemKind::Empty => "empty",
                StoreProblemKind::Queue => "queue",
                StoreProblemKind::Stray => "stray",
                _ => "other",
            },
            text: problem.to_string(),
        }
    }
}
