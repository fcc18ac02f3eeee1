//! Crashes and faults on a simulated disk: what a power cut, a kill or a failing call may leave must open by itself,
//! with everything that was acknowledged and nothing that was not published.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_CRASH_STATES` | how many distinct disks to try in all; default 80,000 |
//! | `DURAMEN_FAULTS_FULL` | calls fail in every way there is also while messages are removed |
//! | `DURAMEN_LIVES` | how many random histories of copies, restores, crashes and recoveries to try; default 10,000 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |
//! | `DURAMEN_CRASH_REPLAY` | a line printed by a failure: only that one is tried |

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "numbers of messages and operations are small"
)]

mod battery;
mod closed;
mod content;
mod control_state;
mod controlling;
mod emptied;
mod enumerate;
mod examine;
mod faults;
mod gone_on;
mod half_done;
mod history;
mod importing;
mod lies;
mod lives;
mod marks;
mod oracle;
mod queue;
mod recovering;
mod removal;
mod reopened;
mod run;
mod settings;
mod streams;
mod syncs;
mod unread;
#[path = "../common/verdict.rs"]
mod verdict;
mod workload;
