use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many mappings the system allows this process.
pub(crate) fn mappings_max() -> usize {
    /// What the kernel allows unless told otherwise.
    const USUAL: usize = 65_530;
    static MAX: AtomicU64 = AtomicU64::new(0);
    let mut max = MAX.load(Ordering::Relaxed);
    if max == 0 {
        let text = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        max = text.trim().parse().unwrap_or(USUAL as u64);
        MAX.store(max, Ordering::Relaxed);
    }
    usize::try_from(max).unwrap_or(USUAL)
}
