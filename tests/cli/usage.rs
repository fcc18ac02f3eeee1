use crate::harness::{Place, run};

/// Wrong usage is exit code 2 and says how it should be; nothing of it goes to the standard output.
#[test]
fn wrong_usage_is_told() {
    let place = Place::new();
    for args in [
        &[][..],
        &["frobnicate"],
        &["publish"],
        &["publish", place.dir(), "--batch", "0"],
        &["publish", place.dir(), "--batch", "many"],
        &["stat", place.dir(), "--yaml"],
        &["completions", "cmd.com"],
        &["man", "frobnicate"],
    ] {
        let run = run(args);
        assert_eq!(
            (run.code, run.stdout.as_slice()),
            (Some(2), &b""[..]),
            "{args:?}: {run:?}"
        );
        assert!(!run.stderr.is_empty());
    }
    let run = place.publish(&["--rollover", "5"], b"{}");
    run.failed(2);
}

#[test]
fn help_and_version_are_data() {
    assert!(run(&["--version"]).ok().starts_with("duramen "));
    for args in [&["--help"][..], &["help", "publish"], &["consume", "--help"]] {
        assert!(run(args).ok().contains("Usage: duramen"), "{args:?}");
    }
}

/// Completions for every shell, and a page for the tool and for each command.
#[test]
fn completions_and_manual_pages() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        for word in [
            "key-index",
            "max-messages",
            "older-than",
            "salvage",
            "until-time",
            "expect-key",
            "start-after",
            "ignore-indexes",
            "lossy",
        ] {
            assert!(script.ok().contains(word), "{shell}: {word}");
        }
    }
    assert!(run(&["man"]).ok().contains(".TH duramen"));
    for command in [
        "publish",
        "consume",
        "get",
        "stat",
        "check",
        "trim",
        "compact",
        "delete",
        "fence",
        "seal",
        "unseal",
        "recover",
        "backup",
        "restore",
        "import",
        "export",
        "dump",
        "cursors",
        "queue",
        "store",
        "bench",
        "completions",
        "man",
    ] {
        let page = run(&["man", command]);
        assert!(
            page.ok().contains(&format!(".TH duramen-{command}")),
            "{command}: {page:?}"
        );
    }
}
