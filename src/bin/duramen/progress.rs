//! Progress on the standard error, when it is a terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanFloatCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often something without a known end shows that it is alive.
const TICK: Duration = Duration::from_millis(100);

/// A bar that counts messages, up to `total` where that is known. `beside` is the stream that the messages come from or
/// go to: a bar would get in its way if that were a terminal too.
pub(crate) fn messages(what: &'static str, total: Option<u64>, beside: &impl IsTerminal) -> ProgressBar {
    if beside.is_terminal() {
        return ProgressBar::hidden();
    }
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} ({rate}, {eta} left)",
        None => "{msg} {spinner} {human_pos} ({rate})",
    };
    // Nothing is drawn, and next to nothing done, when the standard error is not a terminal.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_message(what);
    // A template that does not parse is a mistake above, and no reason to fail the work.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", write_rate));
    }
    bar
}

fn write_rate(state: &ProgressState, out: &mut dyn Write) {
    // It cannot fail: what is written to is memory.
    let _ = write!(out, "{:.0}/s", HumanFloatCount(state.per_sec()));
}

/// A sign of life for work that cannot tell how far it is.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(TICK);
    bar
}
