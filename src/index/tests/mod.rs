//! Both indexes against a model that looks at every record.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers are small"
)]

mod active;
mod damage;
mod model;
mod sealed;
