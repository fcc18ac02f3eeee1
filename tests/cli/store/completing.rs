//! The completion scripts, run by the shells themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Store;
use crate::harness::run;

/// A store with names that shells have to quote, under a path that they have to quote, too.
fn store() -> Store {
    let store = Store::with(&[
        ("orders", &[]),
        ("or:a", &[]),
        ("or:der s'x", &[]),
        ("zebra", &[]),
    ]);
    store.run(&["create", "two\nlines"]).ok();
    fs::rename(store.dir(), store.0.parent().join("a store")).expect("moved");
    store
}

/// Runs a script, if there is such a shell; the binary is on its path, and `store` is its directory.
fn shell(name: &str, args: &[&str], script: &str, store: &Store) -> Option<Vec<String>> {
    let bin = Path::new(env!("CARGO_BIN_EXE_duramen"))
        .parent()
        .expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let completions = run(&["completions", name]);
    let home = store.0.parent();
    fs::write(home.join("script"), completions.ok()).expect("written");
    let output = Command::new(name)
        .args(args)
        .args(["-c", script])
        .current_dir(home)
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", bin.display()))
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("NOT RUN: {name} is not installed");
            return None;
        }
        output => output.expect("the shell starts"),
    };
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.stderr.is_empty(), "{}", output.stderr.escape_ascii());
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_names_of_streams() {
    const SCRIPT: &str = r#"
        source ./script
        complete_line() {
            COMP_LINE="$1" COMP_POINT=${#1} COMPREPLY=()
            eval "COMP_WORDS=($1)"
            [[ "$1" != *" " ]] || COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _duramen duramen "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[*]}"
        }
        complete_line 'duramen store a\ store config '
        complete_line 'duramen store ~/a\ store consume o'
        complete_line 'duramen store a\ store set or:'
        complete_line 'duramen store a\ store create z'
        complete_line 'duramen store a\ store list z'
        complete_line 'duramen store nowhere config z'
        complete_line 'duramen store a\ store publish --cr'
        complete_line 'duramen store a\ store sea'
        complete_line 'duramen consume a\ store --until-of'
    "#;
    let Some(lines) = shell("bash", &["--norc"], SCRIPT, &store()) else {
        return;
    };
    let expected = [
        "or:a or:der\\ s\\'x orders zebra",
        "or:a or:der\\ s\\'x orders",
        "a der\\ s\\'x",
        "",
        "",
        "",
        "--create",
        "seal",
        "--until-offset",
    ];
    assert_eq!(lines, expected);
}

/// Fish completes a line by itself.
#[test]
fn fish_completes_names_of_streams() {
    const SCRIPT: &str = "
        source ./script
        complete -C 'duramen store \"a store\" config '
        complete -C 'duramen store ~/a\\ store consume z'
        complete -C 'duramen store a\\ store set or:'
        complete -C 'duramen store a\\ store config --hel'
    ";
    let Some(lines) = shell("fish", &["--no-config"], SCRIPT, &store()) else {
        return;
    };
    let values: Vec<_> = lines.iter().filter_map(|line| line.split('\t').next()).collect();
    let expected = [
        "or:a",
        "or:der s'x",
        "orders",
        "zebra",
        "zebra",
        "or:a",
        "or:der s'x",
        "--help",
    ];
    assert_eq!(values, expected);
}

/// Goal: zsh is given the names where they belong. Method: what it would complete with is printed instead.
#[test]
fn zsh_completes_names_of_streams() {
    const SCRIPT: &str = r#"
        autoload -U compinit
        compinit -u -d ./dump
        source ./script
        _call_program() { shift; eval "$@" }
        _wanted() { print -r -- "${(j:|:)names}" }
        complete_words() {
            words=("$@") CURRENT=$# PREFIX=$words[-1]
            _duramen_streams || print "nothing"
        }
        complete_words duramen store 'a\ store' config ''
        complete_words duramen store '~/a\ store' consume z
        complete_words duramen store '"a store"' set or:
        complete_words duramen store 'a\ store' create z
        complete_words duramen store 'a\ store' config --h
        complete_words duramen store 'a\ store' con
    "#;
    let Some(lines) = shell("zsh", &["-f"], SCRIPT, &store()) else {
        return;
    };
    let all = "or:a|or:der s'x|orders|zebra";
    // It chooses among all names by itself.
    assert_eq!(lines, [all, all, all, "nothing", "nothing", "nothing"]);
}
