//! Writers that fence each other off, and a checker that says whether what they were told can have happened in some
//! order: each call at one moment between its begin and its end.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_SECONDS` | how long each arrangement runs; default 1 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{
    Control, Durability, Error, FileLog, Log, MemoryLog, NewMessage, Options, PublishOptions, ReadOptions,
    Start, Stop, Token,
};
use fastrand::Rng;

use crate::common;

/// One call of a writer, and what it was told.
#[derive(Clone, Debug)]
struct Call {
    begun: Instant,
    ended: Instant,
    /// The token that the call required; none for a fence without condition.
    required: Option<Token>,
    /// The token that the call sets.
    sets: Option<Token>,
    told: Told,
}

#[derive(Clone, Debug)]
enum Told {
    /// Published with these offsets.
    At(u64, u64),
    /// Refused, because the log had this token.
    Fenced(Token),
}

/// A token that nobody else uses.
fn token(counter: &AtomicU64) -> Token {
    Token::new(&format!("t{}", counter.fetch_add(1, Ordering::Relaxed))).expect("short")
}

/// One writer of one round: takes over, then writes until somebody else has taken over.
fn fight(log: &dyn Log, counter: &AtomicU64, random: &mut Rng, until: Instant) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut mine = Token::EMPTY;
    let mut last = Token::EMPTY;
    while Instant::now() < until {
        let takes_over = mine == Token::EMPTY || random.u8(..20) == 0;
        let sets = takes_over.then(|| token(counter));
        // Half of those who take over do it only if nobody else has since they looked.
        let required = if !takes_over {
            Some(mine)
        } else if random.bool() {
            Some(last)
        } else {
            None
        };
        let mut how = PublishOptions::new();
        how = required.map_or(how, |token| how.token(token));
        how = sets.map_or(how, |token| how.and(Control::Fence(token)));
        let value = required.unwrap_or_default();
        let messages = [NewMessage::value(value.as_str().as_bytes()); 2];
        let count = if takes_over {
            random.usize(..2)
        } else {
            1 + random.usize(..2)
        };
        let begun = Instant::now();
        let published = log.append(&messages[..count], &how);
        let ended = Instant::now();
        let told = match published {
            Ok(ack) => {
                mine = sets.unwrap_or(mine);
                Told::At(ack.start.offset, ack.end.offset)
            }
            Err(Error::Fenced { actual, .. }) => {
                (mine, last) = (Token::EMPTY, *actual);
                Told::Fenced(*actual)
            }
            Err(error) => panic!("{error}"),
        };
        calls.push(Call {
            begun,
            ended,
            required,
            sets,
            told,
        });
    }
    calls
}

/// Checks that the calls can have happened one after the other. The offsets are their order; a refused call changes
/// nothing, so it needs a moment at which the log had the token that the call was told of.
fn is_linearizable(calls: &[Call], mut token: Token, begin: u64) -> Token {
    let mut written: Vec<&Call> = calls
        .iter()
        .filter(|call| matches!(call.told, Told::At(..)))
        .collect();
    let first = |call: &Call| match call.told {
        Told::At(first, _) => first,
        Told::Fenced(_) => u64::MAX,
    };
    written.sort_by_key(|call| first(call));
    // The tokens that the log had, and the calls that were done by then.
    let mut tokens = vec![token];
    let (mut next, mut latest_begin) = (begin, None);
    for call in &written {
        let Told::At(start, end) = call.told else { continue };
        assert_eq!(start, next, "offsets have gaps: {call:?}");
        next = end;
        if let Some(required) = call.required {
            assert_eq!(required, token, "a message of a fenced writer: {call:?}");
        }
        assert!(
            latest_begin.is_none_or(|begun| call.ended >= begun),
            "ended before an earlier one began: {call:?}"
        );
        latest_begin = latest_begin.max(Some(call.begun));
        token = call.sets.unwrap_or(token);
        tokens.push(token);
    }
    // The begins and ends in the order of the offsets, so that a range of moments can be found.
    let mut begun_max = Vec::new();
    for call in &written {
        begun_max.push(
            begun_max
                .last()
                .map_or(call.begun, |max: &Instant| call.begun.max(*max)),
        );
    }
    let mut ended_min: Vec<Instant> = Vec::new();
    for call in written.iter().rev() {
        ended_min.push(
            ended_min
                .last()
                .map_or(call.ended, |min: &Instant| call.ended.min(*min)),
        );
    }
    ended_min.reverse();
    for call in calls {
        let Told::Fenced(actual) = call.told else { continue };
        assert_ne!(
            call.required,
            Some(actual),
            "refused with the right token: {call:?}"
        );
        // All that ended before this began come before it, and none that began after it ended.
        let from = ended_min.partition_point(|ended| *ended < call.begun);
        let to = begun_max.partition_point(|begun| *begun <= call.ended);
        let possible = &tokens[from.min(to)..=to.max(from).min(tokens.len() - 1)];
        assert!(
            possible.contains(&actual),
            "told of a token that was not there: {call:?}, but {possible:?}"
        );
    }
    token
}

/// Fights for `time` in rounds of a few milliseconds; returns how many rounds and calls there were.
fn rounds(log: &dyn Log, seed: u64, time: Duration, rounds_min: u64) -> (u64, usize) {
    let counter = AtomicU64::new(0);
    let end = Instant::now() + time;
    let (mut count, mut calls, mut held) = (0, 0, log.token().expect("a token"));
    while Instant::now() < end || count < rounds_min {
        let begin = log.next_offset().expect("an offset");
        let until = Instant::now() + (time / 1000).max(Duration::from_millis(1));
        let barrier = Barrier::new(2);
        let mut all = thread::scope(|scope| {
            let writers = [0, 1].map(|writer| {
                let (counter, barrier) = (&counter, &barrier);
                scope.spawn(move || {
                    let mut random = Rng::with_seed(seed ^ (count << 1 | writer));
                    barrier.wait();
                    fight(log, counter, &mut random, until)
                })
            });
            writers.map(|writer| writer.join().expect("a writer")).concat()
        });
        all.sort_by_key(|call| call.begun);
        held = is_linearizable(&all, held, begin);
        assert_eq!(log.token().expect("a token"), held);
        messages_are_of_their_token(log, begin);
        calls += all.len();
        count += 1;
    }
    (count, calls)
}

/// Every message says which token its writer had: it is the one that the records in front of its batch have set.
fn messages_are_of_their_token(log: &dyn Log, begin: u64) {
    let mut at = begin;
    loop {
        let batch = log
            .read(Start::At(at), &ReadOptions::new().control(true))
            .expect("records");
        let mut fences = batch.controls.iter().peekable();
        let mut token = None;
        for message in &batch.messages {
            while let Some(fence) = fences.next_if(|fence| fence.offset < message.offset) {
                if let Some(Control::Fence(next)) = fence.control {
                    token = Some(next);
                }
            }
            let value = message.value.as_deref().expect("a value");
            // A message without a condition comes with a fence of its own.
            let is_first_of_fence = fences
                .peek()
                .is_some_and(|fence| fence.offset <= message.offset + 2);
            if let (Some(token), false) = (token, value.is_empty()) {
                assert!(
                    token.as_str().as_bytes() == value || is_first_of_fence,
                    "{message:?} under {token}"
                );
            }
        }
        at = batch.next_offset;
        if batch.stopped == Stop::AtEnd {
            return;
        }
    }
}

/// Goal: no message of a fenced writer is behind the fence, and all answers are those of one writer after the other.
/// Method: two writers take over from each other all the time; the history of each round is checked.
#[test]
fn writers_that_fence_each_other_off_are_linearizable() {
    let seed = common::seed("fencing");
    let time = Duration::from_secs(common::number("DURAMEN_SECONDS", 1));
    for durability in [Durability::Os, Durability::EachPublish] {
        let dir = common::fast_dir();
        let options = Options::new()
            .create_dirs(true)
            .durability(durability)
            .rollover(64 << 10);
        let log: FileLog = options.open(dir.path()).expect("a new log");
        let (count, calls) = rounds(&log, seed, time, 20);
        let held = log.token().expect("a token");
        log.close().expect("closed");
        let log = options.open(dir.path()).expect("opened again");
        assert_eq!(log.token().expect("a token"), held);
        println!("{durability:?}: {count} rounds, {calls} calls");
    }
    let log = Arc::new(MemoryLog::new());
    let (count, calls) = rounds(&*log, seed, time, 20);
    println!("in memory: {count} rounds, {calls} calls");
}

/// Goal: the checker itself finds what it is there for.
#[test]
fn the_checker_refuses_a_message_behind_the_fence() {
    let now = Instant::now();
    let at = |micros| now + Duration::from_micros(micros);
    let [a, b] = ["a", "b"].map(|text| Token::new(text).expect("short"));
    let call = |begun, ended, required, sets, told| Call {
        begun: at(begun),
        ended: at(ended),
        required,
        sets,
        told,
    };
    let good = vec![
        call(0, 1, None, Some(a), Told::At(0, 1)),
        call(2, 5, Some(a), None, Told::At(1, 2)),
        call(3, 4, None, Some(b), Told::At(2, 3)),
        call(6, 7, Some(a), None, Told::Fenced(b)),
    ];
    is_linearizable(&good, Token::EMPTY, 0);
    let wrong = [
        (1, Told::At(2, 3), 2, Told::At(1, 2)),
        (3, Told::Fenced(Token::EMPTY), 0, Told::At(0, 1)),
    ];
    for (first, told, second, other) in wrong {
        let mut bad = good.clone();
        bad[first].told = told;
        bad[second].told = other;
        let checked = std::panic::catch_unwind(|| is_linearizable(&bad, Token::EMPTY, 0));
        assert!(checked.is_err(), "{bad:?}");
    }
}
