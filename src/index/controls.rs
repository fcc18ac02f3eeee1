//! Which records of a segment are control records: they have ordinals, but are not messages.
//!
//! There are few of them, and their ordinals are kept in ascending order. Counting and finding
//! messages takes a binary search among them, and nothing at all where there are none.

/// The number of values for which `is_before` holds, out of `len` ascending values of which it
/// holds for the first ones only.
fn count_while<E>(len: u32, mut is_before: impl FnMut(u32) -> Result<bool, E>) -> Result<u32, E> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The number of messages among the first `ordinal` records of a segment with `len` control
/// records; `control` gives the ordinals of the latter.
#[inline]
pub(super) fn messages_before<E>(
    len: u32,
    ordinal: u32,
    mut control: impl FnMut(u32) -> Result<u32, E>,
) -> Result<u32, E> {
    if len == 0 {
        return Ok(ordinal);
    }
    let controls = count_while(len, |number| Ok(control(number)? < ordinal))?;
    Ok(ordinal.saturating_sub(controls))
}

/// The ordinal of the message behind the first `number` messages; an ordinal behind the records if
/// there are no more messages.
#[inline]
pub(super) fn nth_message<E>(
    len: u32,
    number: u32,
    mut control: impl FnMut(u32) -> Result<u32, E>,
) -> Result<u32, E> {
    if len == 0 {
        return Ok(number);
    }
    // The messages in front of a control record number its ordinal less the earlier control
    // records.
    let controls = count_while(len, |earlier| {
        Ok(control(earlier)?.saturating_sub(earlier) <= number)
    })?;
    Ok(number.saturating_add(controls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    proptest! {
        #![proptest_config(if cfg!(miri) { ProptestConfig::with_cases(2) } else { ProptestConfig::default() })]

        /// The answers are those of a look at every record.
        #[test]
        fn messages_are_counted_and_found(are_controls in prop::collection::vec(any::<bool>(), 0..60)) {
            let ordinals = |is_control: bool| {
                let all = (0_u32..).zip(&are_controls);
                all.filter(move |(_, is)| **is == is_control).map(|(at, _)| at).collect::<Vec<_>>()
            };
            let (controls, messages) = (ordinals(true), ordinals(false));
            let len = u32::try_from(controls.len()).unwrap();
            let count = u32::try_from(are_controls.len()).unwrap();
            let control = |number: u32| Ok::<_, Infallible>(controls[number as usize]);
            for ordinal in 0..=count {
                let Ok(before) = messages_before(len, ordinal, control);
                prop_assert_eq!(before as usize, messages.iter().filter(|at| **at < ordinal).count());
            }
            for (number, ordinal) in (0..).zip(&messages) {
                prop_assert_eq!(nth_message(len, number, control), Ok(*ordinal));
            }
            let Ok(behind) = nth_message(len, count - len, control);
            prop_assert_eq!(behind, count);
        }
    }
}
