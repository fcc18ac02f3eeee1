use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::harness::{Place, command, finish, numbered, published};

/// Makes the stream non-blocking for everybody who shares it.
fn unblock(stream: &impl AsFd) {
    let flags = fcntl_getfl(stream).expect("flags");
    fcntl_setfl(stream, flags | OFlags::NONBLOCK).expect("flags");
}

/// A pipe of which one end is non-blocking: that which the tool gets.
fn pipe(is_for_writing: bool) -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    if is_for_writing {
        unblock(&writer);
    } else {
        unblock(&reader);
    }
    (reader, writer)
}

/// Goal: a standard output that is non-blocking, as Node.js and asyncio leave it, gets every byte. Method: a reader
/// that comes late and is slow, and more than a pipe holds.
#[test]
fn a_non_blocking_output_gets_everything() {
    let place = Place::with(&numbered(20_000));
    let path = place.files("log")[0].to_str().expect("text").to_owned();
    let commands: [&[&str]; 3] = [
        &["consume", place.dir()],
        &["consume", place.dir(), "--follow", "--max", "20000"],
        &["dump", &path],
    ];
    for args in commands {
        let expected = finish(command(args).spawn().expect("the binary starts"));
        assert!(expected.stdout.len() > 200_000, "{args:?}");
        let (mut reader, writer) = pipe(true);
        let child = command(args).stdout(writer).spawn().expect("the binary starts");
        thread::sleep(Duration::from_millis(100));
        let mut found = Vec::new();
        let mut block = vec![0; 50_000];
        loop {
            match reader.read(&mut block).expect("a pipe") {
                0 => break,
                len => found.extend_from_slice(&block[..len]),
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(finish(child).ok(), "", "{args:?}");
        assert!(found == expected.stdout, "{args:?}: {} bytes", found.len());
    }
}

/// Goal: a standard input that is non-blocking is read to its end. Method: lines that come in pieces, with pauses.
#[test]
fn a_non_blocking_input_is_read_to_its_end() {
    let place = Place::new();
    let (reader, mut writer) = pipe(false);
    let child = command(&["publish", place.dir()])
        .stdin(reader)
        .spawn()
        .expect("the binary starts");
    for line in numbered(20).lines() {
        let (head, tail) = line.split_at(7);
        for piece in [head, tail, "\n"] {
            writer.write_all(piece.as_bytes()).expect("it reads");
            thread::sleep(Duration::from_millis(2));
        }
    }
    drop(writer);
    assert_eq!(finish(child).ok(), published(20, 20));
}

/// Goal: a message to the user waits for room on the standard error, but not for ever. Method: a full pipe that is
/// emptied late, and one that nobody reads.
#[test]
fn a_non_blocking_standard_error_is_waited_for_and_not_for_ever() {
    let place = Place::new();
    for is_read in [true, false] {
        let (mut reader, mut writer) = pipe(true);
        while writer.write(&[b'x'; 4096]).is_ok() {}
        let started = Instant::now();
        let mut child = command(&["stat", place.dir()])
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .expect("the binary starts");
        if is_read {
            thread::sleep(Duration::from_millis(200));
            let mut told = Vec::new();
            reader.read_to_end(&mut told).expect("a pipe");
            let told = String::from_utf8(told).expect("text");
            assert!(told.ends_with("there is no log here\n"), "{told}");
        }
        assert_eq!(child.wait().expect("a child").code(), Some(1));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
