use std::sync::LazyLock;

use super::case::Case;
use super::{
    after_delete, changes, close, consume, consume_by_key, content, delete, expect, forward, gaps, get,
    headers, keys, limits, model, next_offset, positions, publish, removing, start, stat, sync, threads,
    times, trim, trimmed, visibility,
};

/// All cases, in an order in which basic behaviours come first. Their names are unique.
#[must_use]
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        [
            publish::CASES,
            expect::CASES,
            limits::CASES,
            limits::CASES_HEAVY,
            visibility::CASES,
            consume::CASES,
            start::CASES,
            next_offset::CASES,
            get::CASES,
            content::CASES,
            headers::CASES,
            keys::CASES,
            consume_by_key::CASES,
            times::CASES,
            delete::CASES,
            after_delete::CASES,
            gaps::CASES,
            trim::CASES,
            trimmed::CASES,
            sync::CASES,
            stat::CASES,
            positions::CASES,
            close::CASES,
            changes::CASES,
            forward::CASES,
            model::CASES,
            threads::CASES,
            removing::CASES,
        ]
        .concat()
    });
    &CASES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_many_cases_with_unique_names() {
        let names: BTreeSet<&str> = cases().iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases().len());
        assert!(names.len() >= 400, "{}", names.len());
    }
}
