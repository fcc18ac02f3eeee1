//! Progress on the standard error, if it is a terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::thread;
use std::time::Duration;

use indicatif::{HumanFloatCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// The redraw interval for work without a known length.
const TICK: Duration = Duration::from_millis(100);

/// A bar that counts messages, up to `total` if that is known. `beside` is the stream that the
/// messages come from or go to; there is no bar if that stream is a terminal too, because the two
/// would mix.
pub(crate) fn messages(what: &'static str, total: Option<u64>, beside: &impl IsTerminal) -> ProgressBar {
    if beside.is_terminal() {
        return ProgressBar::hidden();
    }
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} ({rate}, {eta} left)",
        None => "{msg} {spinner} {human_pos} ({rate})",
    };
    // Nothing is drawn if the standard error is not a terminal.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_message(what);
    // An invalid template is an error in this function, and no reason for the command to fail.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", write_rate));
    }
    bar
}

fn write_rate(state: &ProgressState, out: &mut dyn Write) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{:.0}/s", HumanFloatCount(state.per_sec()));
}

/// A spinner for work without a known length. If the system has no thread to spare that turns it,
/// it stands still.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    let weak = bar.downgrade();
    // `enable_steady_tick` would panic without a thread.
    let _ = thread::Builder::new().spawn(move || {
        while let Some(bar) = weak.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            thread::sleep(TICK);
        }
    });
    bar
}
