//! What `recover` found in a log.

use std::path::PathBuf;

use super::check::Checked;
use super::report::RecoverOptions;
use crate::Corruption;
use crate::chain::Chain;

/// What checking a segment found.
pub(super) struct Damage {
    pub(super) base: u64,
    pub(super) messages: u64,
    /// The offset that it reaches up to, as far as it is in order.
    pub(super) next_offset: u64,
    pub(super) is_index_damaged: bool,
    /// Whether it is not what others know it as.
    pub(super) is_other: bool,
    /// What is wrong with its messages, as opposed to its index and to what others say of it.
    pub(super) kind: Option<Corruption>,
}

impl Damage {
    pub(super) fn of(base: u64, checked: &Checked) -> Damage {
        let report = &checked.found;
        let kinds = report.problems.iter().map(|problem| problem.kind);
        let is_inside = |kind: &Corruption| {
            !matches!(
                kind,
                Corruption::Index | Corruption::Foreign | Corruption::Missing | Corruption::Trailing
            )
        };
        Damage {
            base,
            messages: report.messages.saturating_sub(checked.trimmed),
            next_offset: checked.next_offset,
            is_other: report
                .problems
                .iter()
                .any(|problem| matches!(problem.kind, Corruption::Foreign | Corruption::Trailing)),
            is_index_damaged: report
                .problems
                .iter()
                .any(|problem| problem.kind == Corruption::Index),
            kind: kinds.into_iter().find(is_inside),
        }
    }
}

/// What was found in a log.
pub(super) struct Findings {
    pub(super) how: RecoverOptions,
    pub(super) chain: Chain,
    pub(super) is_meta_good: bool,
    pub(super) is_meta_lost: bool,
    /// Whether segments are missing in front of the first one there is.
    pub(super) is_front_missing: bool,
    /// The base offset of the last segment that a copy of the metadata knows, if it is not there.
    pub(super) missing_last: Option<u64>,
    /// Files that gather the keys of many segments, and are damaged: they are made anew when there
    /// is time.
    pub(super) runs_damaged: Vec<PathBuf>,
    /// What was found of each segment, oldest first.
    pub(super) damage: Vec<Damage>,
}
