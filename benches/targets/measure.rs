//! Taking turns, medians and percentiles.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::workload::Check;

/// One of the things that take turns: runs once, and tells its figure, such as nanoseconds a message.
pub(crate) type Side<'a> = &'a mut dyn FnMut(Check) -> Outcome<f64>;

/// The figures of one side, a round each.
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

/// Runs all sides in turns: once to warm up, comparing every byte, then `rounds` times for the figures.
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

/// Nanoseconds since `start`, for each of `count`.
pub(crate) fn nanos_each(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Steps of the histogram within a power of two: figures are exact to 1.6 %.
const STEPS: usize = 64;

/// Counts durations in steps that grow with them.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram {
            counts: vec![0; STEPS * 59],
            total: 0,
            max: 0,
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = duration.as_nanos() as u64;
        self.counts[Histogram::slot(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// Values below `STEPS` have a slot each; each power of two above has `STEPS` slots.
    #[inline]
    fn slot(nanos: u64) -> usize {
        let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEPS.ilog2() + 1);
        shift as usize * STEPS + (nanos >> shift) as usize
    }

    /// The smallest duration, in nanoseconds, that at least this share of all do not exceed.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let shift = (slot / STEPS).saturating_sub(1);
                let within = slot - shift * STEPS;
                return ((((within + 1) << shift) - 1) as u64).min(self.max) as f64;
            }
        }
        self.max as f64
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }
}
