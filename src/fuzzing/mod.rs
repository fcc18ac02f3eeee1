//! L6: entry points for the fuzz targets under `fuzz/`. No part of the stable interface.
//!
//! Each takes any bytes and panics only if the library breaks a guarantee: a reader accepts what it
//! should refuse, disagrees with another reader of the same bytes, or does not return what was
//! written.
//!
//! Checksums catch nearly every change that a fuzzer makes. Therefore most entry points can correct
//! the checksums first, as the author of a forged file would. The code after the checksum test must
//! be safe by itself.

mod files;
mod frames;
mod seeds;

pub use files::{file_name, index, meta};
pub use frames::{frame, walk};
pub use seeds::{reseal, seeds};

#[cfg(test)]
mod tests {
    use super::*;

    /// No seed leads to a panic, whether unchanged, with one byte changed, or truncated.
    #[test]
    fn seeds_and_their_neighbours_are_survived() {
        for (target, seed) in seeds() {
            let run = |bytes: &[u8]| match target {
                "frame" => frame(bytes),
                "segment_walk" => walk(bytes),
                "index" => index(bytes),
                "meta" => meta(bytes),
                "names" => file_name(&String::from_utf8_lossy(bytes)),
                other => panic!("no target is called {other}"),
            };
            run(&seed);
            for at in 0..seed.len().min(400) {
                run(&seed[..at]);
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = seed.clone();
                    changed[at] = value;
                    run(&changed);
                }
            }
        }
    }
}
