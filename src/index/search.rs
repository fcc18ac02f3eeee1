//! Search in sorted sequences.

/// A bracket of at most this width is searched by halving: it lies in one or two cache lines.
const NARROW: u32 = 8;

/// The number of values below `target`, out of `len` values that do not decrease.
///
/// This is an interpolation search: where values grow evenly it looks at about log log n of them.
/// Each round looks at the place where the target should be, and at one that lies further in the
/// target's direction by the square root of the bracket's width. That closes the bracket from both
/// sides if the error is that of a random walk; if it does not, the round also halves the bracket.
/// A search never takes more than about 3 log n looks (after Peter Van Sandt and others,
/// "Efficiently Searching In-Memory Sorted Arrays", 2019).
///
/// For values that do decrease the answer is arbitrary, but at most `len`, and found as fast.
#[inline]
pub(super) fn count_below<E>(
    len: u32,
    target: i64,
    mut value: impl FnMut(u32) -> Result<i64, E>,
) -> Result<u32, E> {
    let Some(last) = len.checked_sub(1) else {
        return Ok(0);
    };
    let (first_value, last_value) = (value(0)?, value(last)?);
    if first_value >= target {
        return Ok(0);
    }
    if last_value < target {
        return Ok(len);
    }
    let mut bracket = Bracket {
        target,
        low: (0, first_value),
        high: (last, last_value),
    };
    while bracket.width() > NARROW {
        let width = bracket.width();
        let guess = bracket.guess();
        let step = width.isqrt();
        let is_below = bracket.narrow(guess, value(guess)?);
        let second = if is_below {
            guess.saturating_add(step)
        } else {
            guess.saturating_sub(step)
        };
        if bracket.contains(second) {
            bracket.narrow(second, value(second)?);
        }
        if bracket.width() > width / 2 {
            let middle = bracket.middle();
            bracket.narrow(middle, value(middle)?);
        }
    }
    while bracket.width() > 1 {
        let middle = bracket.middle();
        bracket.narrow(middle, value(middle)?);
    }
    Ok(bracket.high.0)
}

/// Index and value of an element below the target, and of a later one that is not below it.
struct Bracket {
    target: i64,
    low: (u32, i64),
    high: (u32, i64),
}

impl Bracket {
    #[inline]
    fn width(&self) -> u32 {
        self.high.0 - self.low.0
    }

    #[inline]
    fn contains(&self, index: u32) -> bool {
        self.low.0 < index && index < self.high.0
    }

    #[inline]
    fn middle(&self) -> u32 {
        self.low.0 + self.width() / 2
    }

    /// Where the target is if values grow evenly, strictly inside the bracket; for widths above 1.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "a guess")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn guess(&self) -> u32 {
        // As an unsigned number the difference of any two times is right.
        let whole = self.high.1.wrapping_sub(self.low.1).cast_unsigned() as f64;
        let part = self.target.wrapping_sub(self.low.1).cast_unsigned() as f64;
        let distance = (f64::from(self.width()) * (part / whole)) as u32;
        self.low.0 + distance.clamp(1, self.width() - 1)
    }

    /// Moves one end to `index`, which lies inside; returns whether the value is below the target.
    #[inline]
    fn narrow(&mut self, index: u32, value: i64) -> bool {
        let is_below = value < self.target;
        if is_below {
            self.low = (index, value);
        } else {
            self.high = (index, value);
        }
        is_below
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// Miri is a thousand times slower.
    const LEN_MAX: usize = if cfg!(miri) { 30 } else { 300 };

    fn search(values: &[i64], target: i64) -> (u32, u32) {
        let mut looks = 0;
        let found = count_below(u32::try_from(values.len()).unwrap(), target, |index| {
            looks += 1;
            Ok::<_, Infallible>(values[index as usize])
        });
        let Ok(found) = found;
        (found, looks)
    }

    fn hard_sequences() -> Vec<Vec<i64>> {
        let n = if cfg!(miri) { 400 } else { 20_000_i64 };
        vec![
            (0..n).collect(),
            (0..n).map(|i| i * i).collect(),
            (0..n)
                .map(|i| if i == n - 1 { i64::MAX } else { i64::MIN + i })
                .collect(),
            (0..n).map(|i| 1_i64 << (i / 400)).collect(),
            (0..n)
                .map(|i| if i < n / 3 { i64::MIN } else { i64::MAX })
                .collect(),
            (0..n).map(|_| 7).collect(),
        ]
    }

    #[test]
    fn evenly_growing_values_take_few_looks_and_others_not_many() {
        for (values, looks_max) in hard_sequences().into_iter().zip([12, 45, 45, 45, 45, 45]) {
            for target in values.iter().step_by(37).flat_map(|&v| [v, v.saturating_add(1)]) {
                let (found, looks) = search(&values, target);
                assert_eq!(found as usize, values.partition_point(|&v| v < target));
                assert!(looks <= looks_max, "{looks} looks for {target}");
            }
        }
    }

    proptest! {
        #![proptest_config(if cfg!(miri) { ProptestConfig::with_cases(2) } else { ProptestConfig::default() })]

        /// The answers are those of the standard library's search, over small and extreme values.
        #[test]
        fn it_finds_what_a_plain_search_finds(
            mut values in prop::collection::vec(prop_oneof![-20..20_i64, any::<i64>()], 0..LEN_MAX),
            target in prop_oneof![-20..20_i64, any::<i64>()],
        ) {
            values.sort_unstable();
            for target in values.iter().copied().chain([target, i64::MIN, i64::MAX]) {
                let (found, _) = search(&values, target);
                prop_assert_eq!(found as usize, values.partition_point(|&v| v < target));
            }
        }

        /// The search ends for values in no order as well.
        #[test]
        fn unsorted_values_do_no_harm(
            values in prop::collection::vec(any::<i64>(), 0..10 * LEN_MAX), target in any::<i64>(),
        ) {
            let (found, looks) = search(&values, target);
            prop_assert!(found as usize <= values.len() && looks < 64);
        }
    }
}
