//! `duramen mirror`: shipping a log to a stream.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use duramen::{Backoff, Error, ErrorKind, Log, Options};
use duramen_s2::{Mirror, MirrorProgress, S2Log};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::Failure;
use crate::target::Target;

/// Ship a log to a stream of S2: each message once, in order.
///
/// The stream itself says how far it is, so the command can be interrupted and run again at any
/// time. It ships what is on stable storage, also while another process writes to the log. Another
/// mirror of the same stream is fenced off, and fails. At the end it prints a summary as one JSON
/// line.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    #[command(flatten)]
    target: Target,

    /// Make the stream if there is none
    #[arg(long)]
    create: bool,

    /// Go on with what is published later, until a signal comes
    #[arg(long)]
    follow: bool,

    /// Pass over messages that are trimmed before they are shipped, and count them
    #[arg(long)]
    skip_trimmed: bool,
}

const SUMMARY_HELP: &str = "\
The summary is {\"next_offset\":N,\"durable_end\":N,\"source_end\":N,\"messages\":N,\"bytes\":N,\"gaps\":N,
\"trimmed\":N}: everything below next_offset is in the stream, everything below
durable_end was on stable storage and is shipped; messages and bytes were shipped now;
gaps are offsets without a message, trimmed those that were trimmed before they were shipped.

The access token is read from the variable S2_ACCESS_TOKEN.";

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second one ends the process as if nobody had listened.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_stopped))?;
        signal_hook::flag::register(signal, Arc::clone(&is_stopped))?;
    }
    let source: Arc<dyn Log> = Arc::new(Options::new().read_only(true).open(&args.dir)?);
    let store = args.target.store()?;
    let target = if args.create {
        store.open_or_create(&args.target.stream)?
    } else {
        store.open(&args.target.stream)?
    };
    let mut mirror = start(args, source, &target)?;
    let bar = bar();
    let mut goes_on = |progress: &MirrorProgress| {
        bar.set_length(progress.source_end);
        bar.set_position(progress.next_offset);
        !is_stopped.load(Ordering::Relaxed)
    };
    if args.follow {
        follow(&mut mirror, &mut goes_on, &bar)?;
    } else {
        mirror.ship_while(&mut goes_on)?;
    }
    bar.finish_and_clear();
    let progress = mirror.progress();
    print(progress);
    if !args.follow && progress.next_offset < progress.durable_end {
        return Err(Failure::Interrupted);
    }
    Ok(())
}

fn start(args: &Args, source: Arc<dyn Log>, target: &S2Log) -> Result<Mirror, Error> {
    if args.skip_trimmed {
        Mirror::skip_trimmed(source, target)
    } else {
        Mirror::start(source, target)
    }
}

/// Follows on whatever the network does.
fn follow(
    mirror: &mut Mirror,
    goes_on: &mut impl FnMut(&MirrorProgress) -> bool,
    bar: &ProgressBar,
) -> Result<(), Error> {
    let (mut failures, pause) = (0, Backoff::new().first(Duration::from_secs(1)));
    let mut reached = 0;
    while let Err(error) = mirror.follow(&mut *goes_on).map(drop) {
        if !matches!(error.kind(), ErrorKind::NotWritten | ErrorKind::Unknown) {
            return Err(error);
        }
        let next_offset = mirror.progress().next_offset;
        failures = if next_offset > reached { 0 } else { failures + 1 };
        reached = next_offset;
        bar.suspend(|| eprintln!("duramen: {error}; trying again"));
        let until = Instant::now() + pause.delay(failures);
        while Instant::now() < until {
            if !goes_on(mirror.progress()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Drawn on the standard error, if that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_message("shipping");
    let template = "{msg} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print(progress: &MirrorProgress) {
    let MirrorProgress {
        next_offset,
        durable_end,
        source_end,
        messages,
        bytes,
        gaps,
        trimmed,
        ..
    } = progress;
    println!(
        "{{\"next_offset\":{next_offset},\"durable_end\":{durable_end},\"source_end\":{source_end},\
         \"messages\":{messages},\"bytes\":{bytes},\
         \"gaps\":{gaps},\"trimmed\":{trimmed}}}"
    );
}
