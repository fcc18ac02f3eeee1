use std::fs;

use super::Store;
use crate::harness::{Place, run};

/// Every command that takes a stream says that there is none.
#[test]
fn an_unknown_stream_is_told() {
    let store = Store::with(&[("s", &[])]);
    for args in [
        &["config", "no"][..],
        &["set", "no", "--key-index"],
        &["publish", "no"],
        &["consume", "no"],
        &["stat", "no"],
        &["seal", "no"],
        &["unseal", "no"],
        &["pause", "no"],
        &["resume", "no"],
        &["delete", "no"],
    ] {
        let run = store.run(args);
        let told = run.failed(1);
        let expected = "duramen: there is no stream \"no\"\n\
                        duramen: `duramen store DIR list` prints the streams that there are\n";
        assert_eq!(told, expected, "{args:?}");
        assert_eq!(run.stdout, b"");
    }
}

/// Where there is no store, commands say so, and make none; `create` makes one.
#[test]
fn a_missing_store_is_told() {
    let place = Place::new();
    let empty = place.parent().join("empty");
    fs::create_dir(&empty).expect("a directory");
    let copy = place.parent().join("copy");
    let copy = copy.to_str().expect("text");
    for dir in [place.dir(), empty.to_str().expect("text")] {
        for args in [
            &["list"][..],
            &["config", "s"],
            &["set", "s", "--key-index"],
            &["publish", "s"],
            &["consume", "s"],
            &["stat"],
            &["pause", "s"],
            &["delete", "s"],
            &["events"],
            &["check"],
            &["recover"],
            &["backup", copy],
            &["restore", copy],
        ] {
            let run = run(&[&["store", dir], args].concat());
            let told = run.failed(1);
            assert!(
                told.contains(&format!("{dir}: there is no store here\n")),
                "{args:?}: {told}"
            );
            assert!(
                told.contains("`duramen store DIR create NAME` makes a store"),
                "{told}"
            );
        }
    }
    assert!(fs::read_dir(&empty).expect("a directory").next().is_none());
    assert!(!fs::exists(place.dir()).expect("readable"));
    assert!(!fs::exists(copy).expect("readable"));
}

/// A log is no store, and stays as it is.
#[test]
fn a_log_is_no_store() {
    let place = Place::with("{\"value\":\"a\"}\n");
    let refused = place.run("store", &["create", "s"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    place.run("store", &["list"]).failed(1);
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "a");
}

#[test]
fn wrong_usage_is_told() {
    let store = Store::with(&[("s", &[])]);
    for args in [
        &[][..],
        &["frobnicate"],
        &["create"],
        &["create", ".."],
        &["create", "__x"],
        &["create", ""],
        &["create", "n", "--partitions", "0"],
        &["create", "n", "--partitions", "1025"],
        &["create", "n", "--max-age", "long"],
        &["create", "n", "--timestamps", "whenever"],
        &["delete", "s", "--partition", "0"],
        &["list", "--names", "--limit", "1"],
        &["publish", "s", "--format", "xml"],
        &["consume", "s", "--from", "x"],
        &["check", "s"],
        &["recover", "--salvage", "--truncate"],
        &["backup"],
        &["backup", store.dir()],
        &["restore"],
        &["restore", store.dir()],
    ] {
        let run = store.run(args);
        assert_eq!(
            (run.code, run.stdout.as_slice()),
            (Some(2), &b""[..]),
            "{args:?}: {run:?}"
        );
        assert!(!run.stderr.is_empty());
    }
    assert_eq!(store.run(&["list", "--names"]).ok(), "s\n");
}

/// The help of each command is enough, and each has a manual page.
#[test]
fn every_command_has_help_and_a_page() {
    let store = Store::with(&[("s", &[])]);
    let help = run(&["store", "--help"]);
    for command in [
        "create", "list", "config", "set", "publish", "consume", "stat", "seal", "unseal", "pause", "resume",
        "delete", "events", "check", "recover", "backup", "restore",
    ] {
        assert!(
            help.ok().contains(&format!("\n  {command} ")),
            "{command}: {help:?}"
        );
        let of_command = store.run(&[command, "--help"]);
        assert!(of_command.ok().contains("Usage: duramen store"), "{of_command:?}");
        let page = run(&["man", "store", command]);
        assert!(
            page.ok().contains(&format!(".TH duramen-store-{command}")),
            "{page:?}"
        );
    }
    run(&["man", "store", "frobnicate"]).failed(2);
}
