//! The findings of `recover` about a log.

use super::check::Checked;
use super::report::RecoverOptions;
use crate::Corruption;
use crate::chain::Chain;
use crate::directory::Home;
use crate::format::FileName;

/// The damage that a check found in a segment.
pub(super) struct Damage {
    pub(super) base: u64,
    pub(super) messages: u64,
    /// The offset that the segment's intact batches reach up to (exclusive).
    pub(super) next_offset: u64,
    pub(super) is_index_damaged: bool,
    /// Whether the segment differs from what others know about it.
    pub(super) is_other: bool,
    /// The kind of damage to the segment's messages, as opposed to its index and to what others
    /// know about it.
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

/// The findings about a whole log.
#[expect(
    clippy::struct_excessive_bools,
    reason = "findings that do not depend on each other"
)]
pub(super) struct Findings {
    pub(super) how: RecoverOptions,
    pub(super) chain: Chain,
    pub(super) home: Home,
    pub(super) is_meta_good: bool,
    pub(super) is_meta_lost: bool,
    /// Whether segments are missing in front of the first one there is.
    pub(super) is_front_missing: bool,
    /// The base offset of the last segment that a copy of the metadata knows, if that segment is
    /// missing.
    pub(super) missing_last: Option<u64>,
    /// The files of damaged key runs, which are made anew in the background.
    pub(super) runs_damaged: Vec<FileName>,
    /// Whether the newest table of producers is damaged.
    pub(super) are_producers_damaged: bool,
    /// The damage of each segment, oldest first.
    pub(super) damage: Vec<Damage>,
}
