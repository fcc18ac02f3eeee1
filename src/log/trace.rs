//! Spans and events of the crate `tracing`; nothing where the feature is off.

use std::path::Path;

use super::Event;

/// A span, on the thread that has begun it, until this is dropped.
#[must_use]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    _entered: tracing::span::EnteredSpan,
}

/// The functions that begin spans: each with its name and level.
macro_rules! spans {
    ($($(#[$doc:meta])* $function:ident, $name:literal, $level:ident;)*) => {
        #[cfg(feature = "tracing")]
        impl Span {
            $($(#[$doc])* pub(crate) fn $function(dir: &Path) -> Span {
                let dir = tracing::field::display(dir.display());
                let span = tracing::span!(target: "duramen", tracing::Level::$level, $name, dir);
                Span { _entered: span.entered() }
            })*
        }
        #[cfg(not(feature = "tracing"))]
        impl Span {
            $($(#[$doc])* #[inline] pub(crate) fn $function(_: &Path) -> Span {
                Span {}
            })*
        }
    };
}

spans! {
    /// Opening a log.
    open, "open", INFO;
    /// Recovering a log that was not closed, as a part of opening it.
    recovery, "recovery", INFO;
    /// A sync of everything that was written, for all that wait.
    sync, "sync", DEBUG;
    /// Copying a log.
    backup, "backup", INFO;
}

/// Whether anybody may be told.
#[inline]
pub(super) fn is_heard() -> bool {
    #[cfg(feature = "tracing")]
    let is_heard = tracing::dispatcher::has_been_set();
    #[cfg(not(feature = "tracing"))]
    let is_heard = false;
    is_heard
}

#[cfg(not(feature = "tracing"))]
pub(super) fn tell(_: &Path, _: &Event) {}

/// Tells an event of the log in `dir`.
#[cfg(feature = "tracing")]
pub(super) fn tell(dir: &Path, event: &Event) {
    use tracing::{debug, error, info, warn};

    let dir = tracing::field::display(dir.display());
    match event {
        Event::SyncLate { lag, synced_offset } => {
            warn!(target: "duramen", dir, ?lag, synced_offset, "sync late");
        }
        Event::RetentionWaits {
            before,
            messages,
            wait,
        } => warn!(target: "duramen", dir, before, messages, ?wait, "retention waits"),
        Event::RolledOver { base } => debug!(target: "duramen", dir, base, "rolled over"),
        Event::Sealed { base, bytes } => debug!(target: "duramen", dir, base, bytes, "sealed"),
        Event::RetentionRemoved {
            messages,
            bytes,
            start_offset,
        } => info!(target: "duramen", dir, messages, bytes, start_offset, "retention removed"),
        Event::RetentionOverrun { floor, start_offset } => {
            warn!(target: "duramen", dir, floor, start_offset, "retention overrun");
        }
        Event::JobFailed { job, error } => error!(target: "duramen", dir, %job, error, "job failed"),
        Event::Recovered {
            cut_bytes,
            lost_durable: true,
            new_life,
            next_offset,
        } => {
            error!(target: "duramen", dir, cut_bytes, lost_durable = true, new_life, next_offset, "recovered");
        }
        Event::Recovered {
            cut_bytes,
            lost_durable: false,
            new_life,
            next_offset,
        } => {
            info!(target: "duramen", dir, cut_bytes, lost_durable = false, new_life, next_offset, "recovered");
        }
    }
}
