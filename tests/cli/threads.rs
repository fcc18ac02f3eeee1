use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness::{Run, finish, numbered, published};

/// Runs a program as one that may start no thread; as nobody, because no such limit holds for root.
fn alone(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    let limited = "ulimit -u 1 && exec \"$0\" \"$@\"";
    if rustix::process::getuid().is_root() {
        let ids = ["--reuid=65533", "--regid=65533", "--clear-groups", "bash"];
        command = Command::new("setpriv");
        command.args(ids);
    }
    command.args(["-c", limited]).arg(program).args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(program: &Path, args: &[&str], input: &str) -> Run {
    let mut child = alone(program, args).spawn().expect("a program");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("a short input");
    drop(stdin);
    finish(child)
}

/// A directory that anybody may use, with a copy of the tool; `None`, which is said, where the limit of threads does
/// not hold.
fn home_without_threads() -> Option<(tempfile::TempDir, PathBuf)> {
    // The shell needs another process for a command that is not its last.
    let run = run(Path::new("bash"), &["-c", "true; /bin/true; exit 7"], "");
    if run.code == Some(7) {
        println!("NOT RUN: the limit of threads does not hold here: {run:?}");
        return None;
    }
    let home = tempfile::tempdir().expect("a directory");
    let program = home.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_duramen"), &program).expect("a copy");
    for (path, mode) in [(home.path(), 0o777), (&program, 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    Some((home, program))
}

/// Goal: where the system refuses threads, every command still does its work, and none panics; with the standard
/// error a terminal and without.
#[test]
fn every_command_works_without_threads() {
    let Some((home, program)) = home_without_threads() else {
        return;
    };
    let path = |name: &str| home.path().join(name).to_str().expect("text").to_owned();
    let (log, copy, restored, work) = (path("log"), path("copy"), path("restored"), path("work"));
    let done = run(&program, &["publish", &log, "--key-index"], &numbered(1000));
    assert_eq!(done.ok(), published(1_000, 1_000));
    let commands: [&[&str]; 14] = [
        &["stat", &log],
        &["consume", &log, "--max", "1"],
        &["get", &log, "0"],
        &["trim", &log, "--before", "3"],
        &["compact", &log],
        &["delete", &log, "999"],
        &["fence", &log, "a"],
        &["seal", &log],
        &["unseal", &log],
        &["check", &log],
        &["backup", &log, &copy],
        &["restore", &copy, &restored],
        &["recover", &log],
        &[
            "bench",
            "--messages",
            "1000",
            "--dir",
            home.path().to_str().expect("text"),
        ],
    ];
    for args in commands {
        let run = run(&program, args, "");
        assert!(
            run.code == Some(0) && !run.stderr.contains("panicked"),
            "{args:?}: {run:?}"
        );
    }
    let two = [
        "bench",
        "--messages",
        "1000",
        "--threads",
        "2",
        "--dir",
        home.path().to_str().expect("text"),
    ];
    assert!(
        run(&program, &two, "")
            .failed(1)
            .contains("cannot start a thread")
    );
    let on_terminal = format!("{} check {log}", program.display());
    let script = run(Path::new("script"), &["-qec", &on_terminal, &work], "");
    assert!(
        !String::from_utf8_lossy(&script.stdout).contains("panicked"),
        "{script:?}"
    );
}

/// Goal: where the system refuses threads, messages still do not wait for the next ones.
#[test]
fn messages_do_not_wait_for_others_without_threads() {
    let Some((home, program)) = home_without_threads() else {
        return;
    };
    let log = home.path().join("log");
    let mut child = alone(&program, &["publish", log.to_str().expect("text")])
        .spawn()
        .expect("a program");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(numbered(2).as_bytes()).expect("it reads");
    thread::sleep(Duration::from_millis(500));
    child.kill().expect("a child");
    child.wait().expect("a child");
    let mut told = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut told)
        .expect("text");
    let log = duramen::Options::new().open(&log).expect(&told);
    assert_eq!(duramen::Log::next_offset(&log).expect("an offset"), 2);
}
