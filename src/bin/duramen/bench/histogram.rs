use std::time::Duration;

/// Buckets within a power of two: a percentile is told to within one part in so many.
const BUCKETS_PER_OCTAVE: u64 = 128;

/// Durations in buckets of logarithmic width (after Gil Tene's `HdrHistogram`), so that a measurement of any length
/// takes little memory. The largest is kept exactly.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    nanos_max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram {
            counts: vec![0; bucket(u64::MAX) + 1],
            count: 0,
            nanos_max: 0,
        }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.count += 1;
        self.nanos_max = self.nanos_max.max(nanos);
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.nanos_max = self.nanos_max.max(other.nanos_max);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn nanos_max(&self) -> u64 {
        self.nanos_max
    }

    /// Nanoseconds that `per_ten_thousand` of 10,000 durations do not exceed; 0 when there are none.
    pub(crate) fn nanos_at(&self, per_ten_thousand: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(per_ten_thousand)).div_ceil(10_000);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank.max(1) {
                return highest_in(bucket).min(self.nanos_max);
            }
        }
        self.nanos_max
    }
}

/// Below twice `BUCKETS_PER_OCTAVE` every value has its own bucket; above, the leading bits choose it.
fn bucket(nanos: u64) -> usize {
    let shift = (nanos / BUCKETS_PER_OCTAVE).checked_ilog2().unwrap_or(0);
    let bucket = u64::from(shift) * BUCKETS_PER_OCTAVE + (nanos >> shift);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The largest value that falls into `bucket`.
fn highest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / BUCKETS_PER_OCTAVE).saturating_sub(1);
    let leading = bucket - shift * BUCKETS_PER_OCTAVE;
    u64::try_from(((u128::from(leading) + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets cover every value in order, without gaps, and are as narrow as promised.
    #[test]
    fn buckets_are_ordered_and_narrow() {
        let last = bucket(u64::MAX);
        assert_eq!(highest_in(last), u64::MAX);
        let mut lowest = 0;
        for i in 0..=last {
            let highest = highest_in(i);
            assert_eq!((bucket(lowest), bucket(highest)), (i, i));
            assert!(
                highest - lowest <= lowest / BUCKETS_PER_OCTAVE,
                "{lowest}..={highest}"
            );
            lowest = highest.wrapping_add(1);
        }
        assert_eq!(lowest, 0);
    }

    /// Percentiles of 1..=10,000 microseconds are what they should be, to within a bucket.
    #[test]
    fn percentiles_are_right() {
        let mut low = Histogram::new();
        let mut high = Histogram::new();
        for micros in 1..=10_000 {
            let part = if micros % 3 == 0 { &mut low } else { &mut high };
            part.record(Duration::from_micros(micros));
        }
        low.merge(&high);
        assert_eq!(low.count(), 10_000);
        for (rank, micros) in [(1, 1), (5_000, 5_000), (9_900, 9_900), (9_999, 9_999)] {
            let (found, exact) = (low.nanos_at(rank), micros * 1_000);
            assert!(found >= exact && found - exact <= exact / 128, "{rank}: {found}");
        }
        assert_eq!(low.nanos_at(10_000), 10_000_000);
        assert_eq!(low.nanos_max(), 10_000_000);
        assert_eq!(Histogram::new().nanos_at(5_000), 0);
    }
}
