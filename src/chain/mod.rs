//! L4: what the files in a log's directory prove together: which segments count, where each ends,
//! and which witness says so.
//!
//! [`Chain`] is the contents of the directory. Its [`Verdict`] says whether the log was closed; if
//! it was not, which of its batches are whole and which of those were durable. A
//! [survey](Chain::survey) goes through every segment. This module only reads; opening, checking,
//! recovering and copying a log act on its results. Only [`end_of`] decides where a segment ends.

mod closed;
mod contents;
mod control;
mod names;
mod producers;
mod rewrite_source;
mod segments;
mod survey;
#[cfg(test)]
mod tests;
mod torn_tail;
mod unclosed;
mod verdict;
mod walked;

pub(crate) use crate::segment::{Ending, Testimony, end_of};
pub(crate) use closed::Closed;
pub(crate) use contents::Chain;
pub(crate) use names::{segment_bases, untrimmed};
pub(crate) use producers::FoundProducers;
pub(crate) use rewrite_source::RewriteSource;
pub(crate) use survey::{Surveyed, said_by};
pub(crate) use torn_tail::{flaw_in, flaw_in_told};
pub(crate) use unclosed::Unclosed;
pub(crate) use verdict::Verdict;
pub(crate) use walked::Walked;
