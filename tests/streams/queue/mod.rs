//! Work queues: of one log, of the streams of a store, across restarts, and under `kill -9`.

mod burying;
mod given_out;
mod in_stores;
mod kept;
mod kills;
mod leases;
mod support;
