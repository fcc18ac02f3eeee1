//! A writer with a token that fences, trims, seals and unseals, and is killed all the time: what was acknowledged holds
//! in the next life, and what was not is there as a whole or not at all.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_KILLED_CONTROLS` | how many operations there are over all lives; default 100,000 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone; moments of kills do not repeat |

use std::env;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duramen::{
    Ack, Control, Durability, Error, FileLog, Log, NewMessage, Options, PublishOptions, Result, Token, check,
};
use fastrand::Rng;

use super::producers::{durability, is_killed_after, numbers_of};
use crate::common::{self, child, number, role};

const PRODUCER: u64 = 5;
/// The operations a log knows the batches of.
const KNOWN: u64 = 64;

fn options(durability: Durability) -> Options {
    Options::new()
        .create_dirs(true)
        .durability(durability)
        .rollover(16 << 10)
}

/// What the log is to be in front of the operation with this number. Each publishes a message and a control record, or
/// a message alone; in front of the one behind a seal, the log is unsealed.
#[derive(Clone, Copy, Debug)]
struct Expected {
    seed: u64,
    number: u64,
    /// Where the operation's message goes, if the log is not sealed.
    offset: u64,
    token: Token,
    old_token: Token,
    is_sealed: bool,
    start: u64,
}

impl Expected {
    fn first(seed: u64) -> Expected {
        Expected {
            seed,
            number: 0,
            offset: 0,
            token: Token::EMPTY,
            old_token: Token::new("never").expect("a token"),
            is_sealed: false,
            start: 0,
        }
    }

    /// Where the message goes.
    fn place(&self) -> u64 {
        self.offset + u64::from(self.is_sealed)
    }

    fn control(&self) -> Option<Control> {
        let mut random = Rng::with_seed(self.seed ^ (self.number << 8));
        match random.u8(..20) {
            0 | 1 => Some(Control::Fence(
                Token::new(&format!("writer-{}", self.number)).expect("a token"),
            )),
            2 => Some(Control::Trim(self.place().saturating_sub(random.u64(..200)))),
            3 => Some(Control::Seal),
            _ => None,
        }
    }

    /// The same once the log is unsealed.
    fn unsealed(self) -> Expected {
        Expected {
            offset: self.place(),
            is_sealed: false,
            ..self
        }
    }

    fn next(mut self) -> Expected {
        let (place, control) = (self.place(), self.control());
        self.offset = place + 1 + u64::from(control.is_some());
        self.is_sealed = control == Some(Control::Seal);
        match control {
            Some(Control::Fence(token)) => self.old_token = std::mem::replace(&mut self.token, token),
            Some(Control::Trim(before)) => self.start = self.start.max(before),
            _ => {}
        }
        self.number += 1;
        self
    }

    /// Publishes the operation with the token that it is to have.
    fn publish(&self, log: &FileLog, token: Token) -> Result<Ack> {
        let mut how = PublishOptions::new().token(token).producer(PRODUCER, self.number);
        if let Some(control) = self.control() {
            how = how.and(control);
        }
        log.append(&[NewMessage::value(&self.number.to_le_bytes())], &how)
    }

    fn do_it(&self, log: &FileLog) -> Ack {
        log.unseal().expect("unsealed");
        let ack = self.publish(log, self.token).expect("published");
        assert_eq!(
            (ack.start.offset, ack.end.offset),
            (self.place(), self.next().offset)
        );
        ack
    }
}

/// How many operations were begun, and how many acknowledged. A kill leaves what was written.
fn progress(dir: &Path) -> File {
    let mut how = File::options();
    how.create(true).truncate(false).read(true).write(true);
    how.open(dir.join("progress")).expect("a file")
}

/// What a child does: the operations from one number on, each noted before it begins and when it is acknowledged.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let [arrangement, from, to, seed] = numbers_of(&role);
    let home = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let noted = progress(&home);
    let log = options(durability(arrangement))
        .open(home.join("log"))
        .expect("opened");
    let mut expected = (0..from).fold(Expected::first(seed), |expected, _| expected.next());
    while expected.number < to {
        let next = expected.number + 1;
        noted.write_all_at(&next.to_le_bytes(), 0).expect("noted");
        assert!(!expected.do_it(&log).is_duplicate);
        noted.write_all_at(&next.to_le_bytes(), 8).expect("noted");
        expected = expected.next();
    }
    log.close().expect("closed");
}

/// Compares the log with what it has to be. Of the operation that was begun and not acknowledged, if there is one, it
/// has all or nothing. Does that operation again, and returns what is next.
fn judge(log: &FileLog, expected: Expected, is_begun: bool) -> Expected {
    let (token, is_sealed) = (log.token().expect("open"), log.is_sealed().expect("open"));
    let (start, next) = (
        log.start_offset().expect("open"),
        log.next_offset().expect("open"),
    );
    let is = |state: &Expected| {
        (token, is_sealed, next) == (state.token, state.is_sealed, state.offset) && start == state.start
    };
    let after = expected.next();
    assert!(
        is(&expected) || is_begun && (is(&expected.unsealed()) || is(&after)),
        "{token} {is_sealed} {start} {next}: {expected:?}, begun: {is_begun}"
    );
    if is_sealed {
        let refused = expected.publish(log, token);
        assert!(matches!(refused, Err(Error::Sealed)), "{refused:?}");
        log.unseal().expect("unsealed");
    }
    let is_done = is(&after);
    let now = if is_begun {
        let ack = expected.publish(log, token).expect("published");
        assert_eq!(ack.is_duplicate, is_done);
        assert_eq!(ack.start.offset, expected.place());
        after
    } else {
        expected
    };
    // The seal that was found is open now.
    let now = if is_sealed && (is_done || !is_begun) {
        now.unsealed()
    } else {
        now
    };
    let refused = now.publish(log, now.old_token);
    assert!(
        matches!(refused, Err(Error::Fenced { .. } | Error::Sealed)),
        "{refused:?}"
    );
    now
}

/// Goal: whenever the process dies, an acknowledged fence fences, a seal holds, a trim is done, and a batch that is
/// sent again is not written again.
/// Method: a child does operations that follow from their numbers, and notes how far it is; it is killed after a
/// moment, and what is found is compared with what these operations make.
#[test]
fn what_was_acknowledged_before_a_kill_holds() {
    let seed = common::seed("killed controls");
    let total = number("DURAMEN_KILLED_CONTROLS", 40_000);
    for (arrangement, total) in [(0, total), (1, total / 4)] {
        let home = common::fast_dir();
        let path = home.path().join("log");
        let options = options(durability(arrangement));
        let mut random = Rng::with_seed(seed ^ arrangement);
        let mut expected = Expected::first(seed);
        let mut kills = 0;
        while expected.number < total {
            let role = format!("{arrangement} {} {total} {seed}", expected.number);
            let mut command = child(module_path!(), &role);
            command.env("DURAMEN_DIR", home.path());
            kills += u64::from(is_killed_after(command, Duration::from_millis(random.u64(3..40))));
            let (mut begun, mut done) = ([0; 8], [0; 8]);
            let noted = progress(home.path());
            let read = noted
                .read_exact_at(&mut begun, 0)
                .and_then(|()| noted.read_exact_at(&mut done, 8));
            let (begun, done) = (u64::from_le_bytes(begun), u64::from_le_bytes(done));
            if read.is_err() && begun == 0 {
                continue;
            }
            while expected.number < done {
                expected = expected.next();
            }
            assert!(check(&path, &options).expect("checked").is_clean());
            let log = options.open(&path).expect("opened again");
            expected = judge(&log, expected, begun > expected.number);
            let again = expected.number.saturating_sub(random.u64(1..KNOWN));
            let earlier = (0..again).fold(Expected::first(seed), |earlier, _| earlier.next());
            if !log.is_sealed().expect("open") && again < expected.number {
                let ack = earlier.publish(&log, expected.token).expect("published before");
                assert!(ack.is_duplicate && ack.start.offset == earlier.place(), "{ack:?}");
            }
            log.close().expect("closed");
        }
        println!("{:?}: {total} operations, {kills} kills", durability(arrangement));
    }
}
