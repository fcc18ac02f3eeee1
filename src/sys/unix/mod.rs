//! The systems on which logs are kept in files.
//!
//! What they have in common is here. What differs is in the module that is called `system` here.

#[cfg(not(target_os = "freebsd"))]
mod boot;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod bsd;
mod dir;
mod file;
#[cfg(target_os = "linux")]
mod in_order;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
mod lock;
mod mapping;
#[cfg(not(target_os = "linux"))]
mod not_in_order;
mod owner;
mod pages;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use bsd as system;
#[cfg(target_os = "linux")]
pub(super) use in_order::Twin;
#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as system;
#[cfg(not(target_os = "linux"))]
pub(super) use not_in_order::Twin;

pub(super) use dir::OsDir;
pub(super) use file::OsFile;
pub(crate) use file::open_files_max;
pub(super) use lock::OsLock;
pub(super) use mapping::Mapping;
#[cfg(feature = "fault")]
pub(super) use rustix::io::Errno;
pub(crate) use system::Bell;
pub(crate) use system::coarse_time;
pub(super) use system::process_number;
