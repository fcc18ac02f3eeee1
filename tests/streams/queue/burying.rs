//! Messages that are given up: each of them is one letter, once.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use duramen::queue::Queue;
use duramen::{Control, Error, Log, NewMessage, PublishOptions, Start};

use super::support::{Bench, drain, job, poll, text, values};

#[test]
fn a_letter_has_the_message_and_says_where_it_was_and_why_it_is_there() {
    let bench = Bench::new(0);
    let message = NewMessage::new(b"key", b"value").headers(&[(b"trace", b"7")]);
    bench.log.publish(&[message]).expect("published");
    let queue = bench.open_with_letters();
    job(&queue).bury("cannot be done").expect("buried");
    let letter = bench.dead.get(Start::Oldest).expect("a letter");
    let source = bench.log.get(Start::Oldest).expect("a message");
    assert_eq!(
        (&letter.key, &letter.value, letter.time),
        (&source.key, &source.value, source.time)
    );
    let headers: Vec<_> = letter
        .headers
        .iter()
        .map(|(name, value)| (text(Some(name)), text(Some(value))))
        .collect();
    let expected = [
        ("trace", "7"),
        ("dead.stream", "jobs"),
        ("dead.group", ""),
        ("dead.partition", "0"),
        ("dead.offset", "0"),
        ("dead.attempts", "1"),
        ("dead.reason", "cannot be done"),
    ];
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert!(poll(&queue).is_none());
    assert_eq!(queue.stat().expect("figures").buried, 1);
}

#[test]
fn messages_are_buried_in_any_order() {
    let bench = Bench::new(5);
    let queue = bench.open_with_letters();
    let mut jobs = [(); 5].map(|()| Some(job(&queue)));
    for number in [3, 1, 4, 0] {
        let job = jobs[number].take().expect("a job");
        job.bury("why").expect("buried");
    }
    let last = jobs[2].take().expect("a job");
    last.done().expect("done");
    assert_eq!(bench.letters(), ["3", "1", "4", "0"]);
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 5);
}

#[test]
fn a_long_reason_is_cut_between_two_characters() {
    let bench = Bench::new(1);
    let queue = bench.open_with_letters();
    job(&queue)
        .bury(&format!("x{}", "ö".repeat(2000)))
        .expect("buried");
    let letter = bench.dead.get(Start::Oldest).expect("a letter");
    let reason = text(letter.headers.get(b"dead.reason"));
    assert_eq!(reason, format!("x{}", "ö".repeat(511)));
}

fn seal(bench: &Bench) {
    let seal = PublishOptions::new().and(Control::Seal);
    bench.dead.append(&[], &seal).expect("sealed");
}

#[test]
fn what_could_not_be_published_is_buried_before_anything_else_is_given_out() {
    let bench = Bench::new(3);
    let queue = bench.open_with_letters();
    seal(&bench);
    assert!(matches!(job(&queue).bury("why"), Err(Error::Sealed)));
    let refused = queue.next(Some(Duration::ZERO));
    assert!(matches!(refused, Err(Error::Sealed)), "{refused:?}");
    bench.dead.unseal().expect("unsealed");
    assert_eq!(drain(&queue), [1, 2]);
    assert_eq!(bench.letters(), ["0"]);
}

#[test]
fn a_restart_goes_on_with_burying() {
    let bench = Bench::new(3);
    let queue = bench.open_with_letters();
    seal(&bench);
    let [a, b, c] = [(); 3].map(|()| job(&queue));
    c.done().expect("done");
    for job in [b, a] {
        assert!(matches!(job.bury("why"), Err(Error::Sealed)));
    }
    drop(queue);
    bench.dead.unseal().expect("unsealed");
    let queue = bench.open_with_letters();
    assert!(poll(&queue).is_none());
    assert_eq!(bench.letters(), ["1", "0"]);
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 3);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("entries") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

/// Goal: a crash behind publishing a letter does not publish it again. Method: the state of the
/// moment before is put back, right away, and after more letters than a log recognises.
#[test]
fn a_letter_that_was_published_before_a_crash_is_not_published_again() {
    for more in [0, 70] {
        let bench = Bench::new(2 + more);
        let queue = bench.open_with_letters();
        seal(&bench);
        assert!(job(&queue).bury("why").is_err());
        drop(queue);
        copy(&bench.dir(), &bench.path("before"));
        bench.dead.unseal().expect("unsealed");
        let queue = bench.open_with_letters();
        for _ in 0..more {
            job(&queue).bury("why").expect("buried");
        }
        assert_eq!(drain(&queue), [more + 1]);
        drop(queue);
        fs::remove_dir_all(bench.dir()).expect("removed");
        fs::rename(bench.path("before"), bench.dir()).expect("put back");
        let queue = bench.open_with_letters();
        assert_eq!(drain(&queue).len() as u64, more + 1);
        let mine = bench.letters().iter().filter(|value| **value == "0").count();
        assert_eq!(mine, 1, "{more}");
    }
}

/// Goal: a state that counts letters from an older number swallows none. Method: the state of the
/// beginning is put back, and other messages are buried.
#[test]
fn a_state_that_was_put_back_swallows_no_letter() {
    let bench = Bench::new(3);
    drop(bench.open_with_letters());
    copy(&bench.dir(), &bench.path("before"));
    let queue = bench.open_with_letters();
    job(&queue).bury("first").expect("buried");
    drop(queue);
    fs::remove_dir_all(bench.dir()).expect("removed");
    fs::rename(bench.path("before"), bench.dir()).expect("put back");
    let queue = bench.open_with_letters();
    let [a, b, c] = [(); 3].map(|()| job(&queue));
    a.done().expect("done");
    for job in [c, b] {
        job.bury("second").expect("buried");
    }
    assert_eq!(bench.letters(), ["0", "2", "1"]);
}

#[test]
fn without_dead_letters_messages_are_counted_and_settled() {
    let bench = Bench::new(2);
    let queue = bench.open();
    job(&queue).bury("why").expect("buried");
    assert_eq!(drain(&queue), [1]);
    drop(queue);
    let queue = bench.open();
    assert_eq!(queue.stat().expect("figures").buried, 1);
    assert!(matches!(queue.kick(1), Err(Error::Invalid(_))));
}

#[test]
fn letters_are_kicked_once_in_order_and_as_they_were() {
    let bench = Bench::new(3);
    let queue = bench.open_with_letters();
    for _ in 0..3 {
        job(&queue).bury("why").expect("buried");
    }
    assert_eq!(queue.kick(2).expect("kicked"), 2);
    assert_eq!(values(&*bench.log), ["0", "1", "2", "0", "1"]);
    assert!(
        bench
            .log
            .get(Start::Newest)
            .expect("a message")
            .headers
            .is_empty()
    );
    drop(queue);
    let queue = bench.open_with_letters();
    assert_eq!(queue.kick(9).expect("kicked"), 1);
    assert_eq!(queue.kick(9).expect("kicked"), 0);
    assert_eq!(drain(&queue), [3, 4, 5]);
}

#[test]
fn letters_of_others_are_not_kicked() {
    let bench = Bench::new(1);
    bench
        .dead
        .publish(&[NewMessage::value(b"something else")])
        .expect("published");
    let other = bench
        .options()
        .dead_letter_log(Arc::clone(&bench.dead))
        .name("other");
    let other = Queue::open(Arc::clone(&bench.log), bench.path("other"), other).expect("opened");
    job(&other).bury("why").expect("buried");
    let queue = bench.open_with_letters();
    assert_eq!(queue.kick(9).expect("kicked"), 0);
    assert_eq!(other.kick(9).expect("kicked"), 1);
}

#[test]
fn a_letter_that_was_kicked_and_fails_again_is_buried_again() {
    let bench = Bench::new(1);
    let queue = bench.open_with_letters();
    for _ in 0..2 {
        job(&queue).bury("why").expect("buried");
        assert_eq!(queue.kick(9).expect("kicked"), 1);
    }
    assert_eq!(bench.letters(), ["0", "0"]);
    assert_eq!(drain(&queue), [2]);
}
