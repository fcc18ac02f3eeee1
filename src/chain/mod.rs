//! L4: what the files in a log's directory prove together: which segments count, where each ends,
//! and who says so.
//!
//! [`Chain`] is what the directory holds. Its [`Verdict`] says whether the log was closed, and else
//! what of it is whole and what of that was durable. A [survey](Chain::survey) goes through every
//! segment. All of it only reads; who opens, checks, recovers or copies a log acts on what is said
//! here. Where one segment ends is answered by [`end_of`] alone.

mod closed;
mod contents;
mod names;
mod segments;
mod source;
mod survey;
#[cfg(test)]
mod tests;
mod unclosed;
mod verdict;
mod walked;

pub(crate) use crate::segment::{Ending, Testimony, end_of};
pub(crate) use closed::Closed;
pub(crate) use contents::Chain;
pub(crate) use names::{holds_another_log, segment_bases};
pub(crate) use source::Source;
pub(crate) use survey::{Surveyed, said_by};
pub(crate) use unclosed::Unclosed;
pub(crate) use verdict::Verdict;
pub(crate) use walked::{Walked, flaw_in};
