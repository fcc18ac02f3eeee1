//! `duramen-s2` against the open server of S2, in the same process.

mod contract;
mod cut;
mod differential;
mod left_out;
mod mirror;
mod proxy;
mod restore;
mod server;
mod stores;
mod tool;
