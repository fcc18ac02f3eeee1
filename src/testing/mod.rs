//! A test-suite for implementations of [`Log`](crate::Log), behind the feature `testing`.
//!
//! Every sentence of the contract of [`Log`](crate::Log) is a [`Case`] here, named for the behaviour it demands.
//! The suite makes the logs it needs with a function that it is given, each of them new and empty. It relies on
//! nothing but the trait, and makes use of every freedom the trait gives: a log may for instance return fewer
//! messages from one call than were asked for.
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
//! Cases that want a test each take them from [`cases`] and call what is in [`Case::run`].

mod case;
mod report;
mod support;

mod after_delete;
mod changes;
mod close;
mod consume;
mod consume_by_key;
mod content;
mod delete;
mod expect;
mod forward;
mod gaps;
mod get;
mod headers;
mod keys;
mod limits;
mod model;
mod next_offset;
mod publish;
mod removing;
mod start;
mod stat;
mod sync;
mod threads;
mod times;
mod trim;
mod trimmed;
mod visibility;

pub use case::{Case, Factory, Setup, cases};
pub use report::{Failure, Report, run_all, run_where};
