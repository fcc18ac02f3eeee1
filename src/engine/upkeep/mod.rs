//! What is done ahead of publishers and behind them: preparing space, sealing, paced syncs,
//! retention, absent indexes, key runs.

mod absent_indexes;
mod background;
mod key_run_build;
mod key_run_writer;
mod key_runs;
mod pace;
mod progress;
mod retaining;
mod sealing;
mod task;
mod working;

pub(crate) use background::Upkeep;
