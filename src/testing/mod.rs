//! A test suite for implementations of [`Log`](crate::Log), behind the feature `testing`.
//!
//! Every sentence of the contract of [`Log`](crate::Log) has a [`Case`] here, named for the
//! behaviour it requires. The suite calls a given function to make the logs it needs, each of them
//! new and empty. It uses nothing but the trait, and it accepts everything that the trait allows.
//! For instance, a log may return fewer messages from one call than requested.
//!
//! ```
//! use duramen::{MemoryLog, testing};
//!
//! let report = testing::run_where(
//!     &|setup| Box::new(MemoryLog::with_options(&setup.options())),
//!     |case| !case.heavy,
//! );
//! assert!(report.is_ok(), "{report}");
//! ```
//!
//! To make a separate test of each case, take the cases from [`cases`] and call [`Case::run`].
//!
//! A log need not know tokens, control records and the like; it then refuses them. It has to leave
//! out the cases that need them by itself, with [`Case::control`]. A wrapper that knows nothing of
//! them only because it does not pass them on must not.

mod case;
mod control_support;
mod report;
mod support;

mod acks;
mod after_delete;
mod changes;
mod close;
mod consume;
mod consume_by_key;
mod content;
mod control_model;
mod control_records;
mod control_threads;
mod delete;
mod expect;
mod expect_keys;
mod filters;
mod forward;
mod gaps;
mod get;
mod headers;
mod keys;
mod limits;
mod list;
mod metered;
mod model;
mod next_offset;
mod orders;
mod policies;
mod positions;
mod producers;
mod publish;
mod read_limits;
mod reads;
mod removing;
mod seals;
mod start;
mod stat;
mod sync;
mod synced;
mod threads;
mod times;
mod tokens;
mod trim;
mod trim_controls;
mod trimmed;
mod visibility;

pub use case::{Case, Factory, Setup};
pub use list::cases;
pub use report::{Failure, Report, run_all, run_where};
