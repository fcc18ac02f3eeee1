//! Messages are taken out of logs of files: while others publish and read, over many lives, and in any order.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_ROUNDS` | how many times a tenth of the messages is deleted under load; default 50 |
//! | `DURAMEN_HISTORIES` | how many random histories check that no offset is given out twice; default 300 |
//! | `PROPTEST_CASES` | how many rows of random calls are held against a log in memory; default 100 |
//! | `DURAMEN_SEED` | what is drawn at random, but for those rows, depends on it alone |

#[cfg(feature = "fault")]
mod interleaved;
mod model;
mod offsets;
#[cfg(feature = "fault")]
mod queue;
mod racing;
mod scans;
