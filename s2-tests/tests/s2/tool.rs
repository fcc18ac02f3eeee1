//! `duramen-s2` from the command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use duramen::{Log, NewMessage, Options};

use crate::server::{BASIN, SERVER, name, store};

/// The program, built if need be.
static TOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let done = Command::new(env!("CARGO"))
        // The same packages and features as the tests have, so that no dependency is built again.
        .args("build --quiet --profile s2 -p duramen-s2 -p duramen-s2-tests --all-features --bins".split(' '))
        .status();
    assert!(done.unwrap().success());
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().with_file_name("duramen-s2")
});

fn run(command: &str, dir: &Path, stream: &str, more: &[&str]) -> Output {
    Command::new(&*TOOL)
        .arg(command)
        .arg(dir)
        .args(["--basin", BASIN, "--stream", stream, "--endpoint"])
        .arg(format!("http://{}", SERVER.address))
        .args(more)
        .env("S2_ACCESS_TOKEN", "no server checks this")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_log_is_mirrored_and_brought_back() {
    let dirs = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| dirs.path().join(name));
    let log = Options::new().create_dirs(true).open(&old).unwrap();
    for _ in 0..50 {
        log.publish(&[NewMessage::value(b"value")]).unwrap();
    }
    log.sync().unwrap();
    let name = name();
    let done = run("mirror", &old, &name, &[]);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(
        text(&done.stderr),
        format!("duramen: there is no stream {name:?}\n")
    );
    let done = run("mirror", &old, &name, &["--create"]);
    assert!(done.status.success(), "{done:?}");
    assert!(
        text(&done.stdout)
            .starts_with(r#"{"next_offset":50,"durable_end":50,"source_end":50,"messages":50,"#),
        "{done:?}"
    );
    let done = run("restore-s2", &new, &name, &["--key-index"]);
    assert_eq!(
        text(&done.stdout),
        "{\"messages\":50,\"start_offset\":0,\"next_offset\":50}\n",
        "{done:?}"
    );
    assert_eq!(
        Options::new()
            .key_index(true)
            .open(&new)
            .unwrap()
            .next_offset()
            .unwrap(),
        50
    );
    assert_eq!(store().open(&name).unwrap().name(), name);
    // There is a log now.
    let done = run("restore-s2", &new, &name, &[]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
}

#[test]
fn what_is_missing_is_told() {
    let done = Command::new(&*TOOL)
        .args(["restore-s2", "dir", "--basin", BASIN, "--stream", "s"])
        .env_remove("S2_ACCESS_TOKEN")
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert_eq!(
        text(&done.stderr),
        "duramen: set S2_ACCESS_TOKEN to an access token of S2\n"
    );
    let help = Command::new(&*TOOL).args(["mirror", "--help"]).output().unwrap();
    assert!(text(&help.stdout).contains("--skip-trimmed"), "{help:?}");
}
