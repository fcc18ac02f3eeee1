use std::sync::LazyLock;

use super::case::Case;
use super::{
    acks, after_delete, changes, close, consume, consume_by_key, content, control_model, control_records,
    control_threads, delete, expect, expect_keys, filters, forward, gaps, get, headers, keys, limits,
    metered, model, next_offset, orders, policies, positions, producers, publish, read_limits, reads,
    removing, seals, start, stat, sync, synced, threads, times, tokens, trim, trim_controls, trimmed,
    visibility,
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
            acks::CASES,
            acks::CASES_CONTROL,
            reads::CASES,
            read_limits::CASES,
            filters::CASES,
            metered::CASES,
            synced::CASES,
            synced::CASES_CONTROL,
            tokens::CASES,
            control_records::CASES,
            trim_controls::CASES,
            seals::CASES,
            producers::CASES,
            expect_keys::CASES,
            policies::CASES,
            orders::CASES,
            positions::CASES,
            close::CASES,
            changes::CASES,
            forward::CASES,
            forward::CASES_CONTROL,
            model::CASES,
            threads::CASES,
            removing::CASES,
            control_threads::CASES,
            control_model::CASES,
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
        assert!(names.len() >= 650, "{}", names.len());
    }
}
