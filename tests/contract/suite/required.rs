//! What the trait does by itself for a log with the required methods alone, which knows nothing of tokens, control
//! records, producers and expected keys.

use std::time::Duration;

use duramen::{
    Ack, Control, Error, Filter, Log, MemoryLog, NewMessage, Options, Place, PublishOptions, ReadOptions,
    Start, Stop, Timestamp, Token, testing,
};

use super::{M, memory, place, us};
use crate::minimal::Minimal;

/// Whoever writes a log needs no more than these methods: the rest keeps the contract by itself.
#[test]
fn a_log_with_the_required_methods_alone_keeps_the_contract() {
    let new: testing::Factory<'_> = &|setup| Box::new(Minimal(memory(setup)));
    let report = testing::run_where(new, |case| !(case.heavy || case.control));
    assert!(report.is_ok(), "{report}");
}

/// A log has to say that it knows no control: the suite does not pass over that. What passes all the same needs no
/// more than the defaults, or fails in the same way as the log.
#[test]
fn the_cases_of_control_fail_for_a_log_without() {
    let new: testing::Factory<'_> = &|setup| Box::new(Minimal(memory(setup)));
    let report = testing::run_where(new, |case| case.control);
    assert!(report.failed.len() > 150, "{report}");
    assert!(report.passed.len() < 25, "{:?}", report.passed);
    let tells = |text: &str| text.contains("NotSupported");
    let about_tokens = report
        .failed
        .iter()
        .filter(|failure| failure.name.contains("token"));
    assert!(about_tokens.clone().count() > 25);
    for failure in about_tokens {
        assert!(tells(&failure.message), "{failure}");
    }
}

#[test]
fn append_tells_where_a_plain_batch_is() {
    let log = Minimal::default();
    let how = PublishOptions::new();
    let batch = [M.time(us(5)), M.time(us(900)), M.time(us(-3))];
    assert_eq!(
        log.append(&batch, &how).expect("published"),
        Ack::new(place(0, 5), place(3, -3), place(3, -3))
    );
    assert_eq!(
        log.append(&[], &how).expect("nothing"),
        Ack::of_nothing(place(3, -3))
    );
    let expecting = how.expect_next_offset(3).sync(true);
    let ack = log.append(&[M], &expecting).expect("published");
    let time = log.get(Start::Newest).expect("there").time;
    assert_eq!(
        (ack.start.time, ack.end.time, ack.is_duplicate),
        (time, time, false)
    );
    assert!(matches!(
        log.append(&[M], &expecting),
        Err(Error::OffsetMismatch {
            expected: 3,
            actual: 4
        })
    ));
}

/// Each option that such a log does not know.
fn special<'a>() -> [PublishOptions<'a>; 8] {
    let how = PublishOptions::new();
    let token: Token = "a".parse().expect("short");
    [
        how.token(token),
        how.token(Token::EMPTY),
        how.and(Control::Fence(token)),
        how.and(Control::Trim(0)),
        how.and(Control::Seal),
        how.producer(0, 0),
        how.expect_key(b"key", None),
        how.expect_key(b"key", Some(0)).expect_next_offset(2).sync(true),
    ]
}

#[test]
fn every_other_option_is_not_supported_and_writes_nothing() {
    let log = Minimal(MemoryLog::with_options(&Options::new()));
    log.publish(&[M, M]).expect("published");
    let before = log.stat().expect("open");
    for how in special() {
        assert!(
            matches!(log.append(&[M], &how), Err(Error::NotSupported(_))),
            "{how:?}"
        );
        assert!(
            matches!(log.append(&[], &how), Err(Error::NotSupported(_))),
            "{how:?}"
        );
        assert!(
            matches!(log.publish_with(&[M], &how), Err(Error::NotSupported(_))),
            "{how:?}"
        );
        assert!(
            matches!(how.check_plain(), Err(Error::NotSupported(_))),
            "{how:?}"
        );
    }
    assert_eq!(log.stat().expect("open"), before);
    assert_eq!(log.consume(Start::Oldest, 9).expect("read").messages.len(), 2);
    assert!(
        PublishOptions::new()
            .expect_next_offset(2)
            .sync(true)
            .check_plain()
            .is_ok()
    );
}

/// The default of `append` asks before it publishes, so a log that forgets to is safe there.
#[test]
fn append_refuses_what_publish_with_would_forget() {
    let log = Forgetful(Minimal::default(), None);
    for how in special() {
        assert!(
            matches!(log.append(&[M], &how), Err(Error::NotSupported(_))),
            "{how:?}"
        );
    }
    assert_eq!(log.next_offset().expect("open"), 0);
}

#[test]
fn token_is_not_supported_and_is_sealed_is_false() {
    let log = Minimal::default();
    assert!(matches!(log.token(), Err(Error::NotSupported(_))));
    assert!(!log.is_sealed().expect("open"));
    log.close().expect("closed");
    assert!(matches!(log.is_sealed(), Err(Error::Closed)));
}

#[test]
fn tail_is_that_of_the_last_existing_message() {
    let log = Minimal::default();
    assert_eq!(log.tail().expect("open"), Place::default());
    log.publish(&[M.time(us(10)), M.time(us(30)), M.time(us(20))])
        .expect("published");
    assert_eq!(log.tail().expect("open"), place(3, 20));
    log.delete(&[2].into()).expect("deleted");
    assert_eq!(log.tail().expect("open"), place(3, 30));
    log.trim(3).expect("trimmed");
    assert_eq!(log.tail().expect("open"), place(3, 0));
}

#[test]
fn read_keeps_to_its_limits_and_shows_no_control_records() {
    let log = Minimal::default();
    for key in [b"a", b"b", b"a", b"b"] {
        log.publish(&[NewMessage::new(key, b"v")]).expect("published");
    }
    let how = ReadOptions::new().filter(Filter::key(b"b"));
    let batch = log.read(Start::Oldest, &how).expect("read");
    assert_eq!(
        (batch.messages.len(), batch.next_offset, batch.stopped),
        (2, 4, Stop::AtEnd)
    );
    let batch = log.read(Start::Oldest, &how.clone().max_count(1)).expect("read");
    assert_eq!(
        (batch.messages[0].offset, batch.next_offset, batch.stopped),
        (1, 2, Stop::Count)
    );
    assert_eq!(batch.tail, log.tail().expect("open"));
    let asking = how.control(true);
    assert!(matches!(
        log.read(Start::Oldest, &asking),
        Err(Error::NotSupported(_))
    ));
}

#[test]
fn wait_synced_syncs_and_does_not_wait() {
    let log = Minimal::default();
    log.publish(&[M]).expect("published");
    for (offset, timeout) in [(0, None), (1, None), (9, None), (9, Some(Duration::MAX))] {
        assert_eq!(log.wait_synced(offset, timeout).expect("synced"), 1);
    }
}

/// A log of 200 numbers that is trimmed to 150 just before it is read at this offset.
fn trimmed_at(offset: u64) -> Forgetful {
    let log = Forgetful(Minimal::default(), Some(offset));
    log.0.publish(&[M; 200]).expect("published");
    log
}

/// Who has named no offset is told of no trim; nobody loses what was read before it.
#[test]
fn read_goes_on_behind_what_is_trimmed_meanwhile() {
    let none = ReadOptions::new().filter(Filter::key(b"none"));
    for from in [Start::Oldest, Start::Last(200)] {
        let batch = trimmed_at(0).read(from, &ReadOptions::new()).expect("read");
        assert_eq!((batch.messages.len(), batch.next_offset), (50, 200));
        assert_eq!((batch.messages[0].offset, batch.stopped), (150, Stop::AtEnd));
        let batch = trimmed_at(64).read(from, &none).expect("read");
        assert_eq!(
            (batch.messages.len(), batch.next_offset, batch.stopped),
            (0, 200, Stop::AtEnd)
        );
    }
    let at = trimmed_at(0).read(Start::At(0), &ReadOptions::new());
    assert!(at.expect_err("trimmed").is_trimmed());
    // By bytes, it is read in pieces, of which the first is of 64 messages.
    let how = ReadOptions::new().max_bytes(1 << 20);
    for from in [Start::Oldest, Start::At(0)] {
        let batch = trimmed_at(64).read(from, &how).expect("read");
        assert_eq!(
            (batch.messages.len(), batch.next_offset, batch.stopped),
            (64, 64, Stop::More)
        );
    }
}

/// It forgets to ask whether the options are plain. With an offset, it is trimmed when it is read there.
struct Forgetful(Minimal, Option<u64>);

impl Log for Forgetful {
    fn publish_with(&self, messages: &[NewMessage<'_>], _: &PublishOptions<'_>) -> duramen::Result<u64> {
        self.0.publish(messages)
    }
    fn start_offset(&self) -> duramen::Result<u64> {
        self.0.start_offset()
    }
    fn next_offset(&self) -> duramen::Result<u64> {
        self.0.next_offset()
    }
    fn consume(&self, from: Start, max_count: usize) -> duramen::Result<duramen::Batch> {
        if max_count > 0 && self.1.map(Start::At) == Some(from) {
            self.0.trim(150)?;
        }
        self.0.consume(from, max_count)
    }
    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> duramen::Result<duramen::Batch> {
        self.0.consume_by_key(key, from, max_count)
    }
    fn get(&self, at: Start) -> duramen::Result<duramen::Message> {
        self.0.get(at)
    }
    fn get_by_key(&self, key: &[u8]) -> duramen::Result<duramen::Message> {
        self.0.get_by_key(key)
    }
    fn get_by_time(&self, start: Timestamp) -> duramen::Result<duramen::Message> {
        self.0.get_by_time(start)
    }
    fn delete(&self, offsets: &std::collections::BTreeSet<u64>) -> duramen::Result<duramen::Deleted> {
        self.0.delete(offsets)
    }
    fn trim(&self, before: u64) -> duramen::Result<duramen::Trimmed> {
        self.0.trim(before)
    }
    fn size(&self, message: &NewMessage<'_>) -> u64 {
        self.0.size(message)
    }
    fn stat(&self) -> duramen::Result<duramen::Stats> {
        self.0.stat()
    }
    fn backup(&self, dir: &std::path::Path) -> duramen::Result<duramen::BackupReport> {
        self.0.backup(dir)
    }
    fn sync(&self) -> duramen::Result<u64> {
        self.0.sync()
    }
    fn gc(&self, unused_for: Duration) -> duramen::Result<()> {
        self.0.gc(unused_for)
    }
    fn close(&self) -> duramen::Result<()> {
        self.0.close()
    }
}
