//! What is above the directory of a log need not be a file system on which anything can be synced.

use std::path::Path;
use std::process::Command;

use duramen::{Log, NewMessage, Options};

use crate::common::{child_with_mounts, role, run_child};

/// Folders of sysfs, on which nothing can be synced, over which something else may be mounted.
const UNSYNCABLE: [&str; 3] = ["/sys/kernel/debug", "/sys/kernel/security", "/sys/fs/cgroup"];

#[test]
fn a_log_is_created_below_what_cannot_be_synced() {
    if let Some(child) = child_with_mounts(module_path!(), "above") {
        run_child(child);
    }
}

#[test]
fn in_a_child() {
    if role().as_deref() != Some("above") {
        return;
    }
    let mount = |at: &str| Command::new("mount").args(["-t", "tmpfs", "tmpfs", at]).status();
    let is_mounted = |at: &&str| mount(at).is_ok_and(|status| status.success());
    let Some(at) = UNSYNCABLE.into_iter().find(is_mounted) else {
        println!("  NOT RUN: nothing can be mounted over a folder of sysfs");
        return;
    };
    let log = Options::new().create_dirs(true);
    let log = log.open(Path::new(at).join("logs/log")).expect("a log");
    log.publish(&[NewMessage::value(b"value")]).expect("published");
    log.sync().expect("synced");
    log.close().expect("closed");
}
