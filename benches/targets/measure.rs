//! Taking turns, medians and percentiles.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::workload::Check;

/// One of the sides that take turns. It runs once and returns its figure, such as nanoseconds per
/// message.
pub(crate) type Side<'a> = &'a mut dyn FnMut(Check) -> Outcome<f64>;

/// The figures of one side, one for each round.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn of(figures: Vec<f64>) -> Samples {
        Samples(figures)
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        }
    }

    pub(crate) fn all(&self) -> &[f64] {
        &self.0
    }
}

/// Runs all sides in turns: once to warm up, with every byte compared, then `rounds` times for the
/// figures.
pub(crate) fn in_turns<const N: usize>(rounds: usize, mut sides: [Side<'_>; N]) -> Outcome<[Samples; N]> {
    let mut figures: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for side in &mut sides {
        side(Check::Full)?;
    }
    for _ in 0..rounds {
        for (side, figures) in sides.iter_mut().zip(&mut figures) {
            figures.push(side(Check::Sample)?);
        }
    }
    Ok(figures.map(Samples))
}

/// The nanoseconds since `start`, divided by `count`.
pub(crate) fn nanos_each(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Runs `publish` for every message, a share of them on each thread. Returns nanoseconds per
/// message.
pub(crate) fn by_threads(
    threads: u64,
    messages: u64,
    publish: &(dyn Fn(u64) -> Outcome + Sync),
) -> Outcome<f64> {
    let each = messages / threads;
    let start = Instant::now();
    if threads == 1 {
        (0..each).try_for_each(publish)?;
    } else {
        on_threads(threads, &|thread| {
            (thread * each..(thread + 1) * each).try_for_each(publish)
        })?;
    }
    Ok(nanos_each(start, messages))
}

/// Calls `work` with the number of each of so many threads, on that thread.
pub(crate) fn on_threads(threads: u64, work: &(dyn Fn(u64) -> Outcome + Sync)) -> Outcome {
    std::thread::scope(|scope| {
        let share = |thread: u64| move || work(thread).map_err(|error| error.to_string());
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(share(thread))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    Ok(())
}

/// Durations in nanoseconds up to an hour, precise to one part in a thousand.
#[derive(Clone, Debug)]
pub(crate) struct Histogram(hdrhistogram::Histogram<u64>);

impl Histogram {
    pub(crate) fn new() -> Histogram {
        const HOUR_NANOS: u64 = 3_600_000_000_000;
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, HOUR_NANOS, 3);
        Histogram(histogram.expect("the bounds are valid"))
    }

    #[inline]
    pub(crate) fn record(&mut self, duration: Duration) {
        self.0.saturating_record(duration.as_nanos() as u64);
    }

    /// The smallest duration, in nanoseconds, that at least this share of all durations do not
    /// exceed.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        self.0.add(&other.0).expect("the histograms have the same bounds");
    }
}
