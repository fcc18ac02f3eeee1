//! What a check that goes on after a failure returns, and how it says what is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is wrong.
pub(crate) type Verdict<T> = std::result::Result<T, String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// Runs a check that must not panic, and makes a verdict of the text of its panic.
pub(crate) fn without_panic<T>(
    check: impl FnOnce() -> Verdict<T>,
    panicked: impl FnOnce(&str) -> String,
) -> Verdict<T> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(panicked(text.unwrap_or("of another type")))
    })
}
