#![expect(clippy::unnecessary_wraps, reason = "all cases have one signature")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Awaited, BlockingLog, Error, Filter, Log, MemoryLog, NewMessage, Result, Start};

use super::{Source, over_each_log};

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

over_each_log! {
    returns_messages_in_order
    returns_messages_that_pass_the_filter
    goes_on_where_it_was_opened_and_waits_for_what_passes
    never_returns_a_message_again_after_one_that_was_left_out
    passes_what_the_filter_leaves_out_at_the_end
    waits_at_the_end
    wakes_all_cursors_that_wait
    fails_with_cursor_closed_before_a_wait
    fails_with_cursor_closed_during_a_wait
    fails_with_cursor_closed_when_it_is_closed_again
    returns_nothing_that_was_read_ahead_once_it_is_closed
    fails_once_its_next_message_was_trimmed
    never_passes_a_trim_in_silence
    begins_with_the_oldest_message_though_messages_are_trimmed
    opens_at_the_end_and_beyond_it
    refuses_an_empty_filter
    refuses_a_start_that_was_trimmed
    ends_at_the_end_of_a_sealed_log
    does_not_wait_where_it_has_no_time
    steps_over_messages_that_were_deleted
    reads_by_header
    keeps_no_log_open_by_its_closer
    tells_when_the_log_is_closed
    two_cursors_do_not_disturb_each_other
}

fn returns_messages_in_order(source: &Source) -> Result<()> {
    source.publish("abc");
    let mut cursor = source.all(0);
    for expected in 0..3 {
        assert_eq!(cursor.next()?.offset, expected);
        assert_eq!(cursor.next_offset(), expected + 1);
    }
    source.publish("d");
    assert_eq!(cursor.next()?.offset, 3);
    Ok(())
}

fn returns_messages_that_pass_the_filter(source: &Source) -> Result<()> {
    source.publish("ababa");
    let mut cursor = source.cursor(0, "a")?;
    let mut places = Vec::new();
    for _ in 0..3 {
        let message = cursor.next()?;
        places.push(message.offset);
        assert_eq!(message.key.as_deref(), Some(&b"a"[..]));
    }
    assert_eq!(places, [0, 2, 4]);
    Ok(())
}

fn goes_on_where_it_was_opened_and_waits_for_what_passes(source: &Source) -> Result<()> {
    source.publish("ababa");
    let mut cursor = source.cursor(2, "b")?;
    assert_eq!(cursor.next()?.offset, 3);
    assert_eq!(cursor.next_timeout(SOON)?, None);
    assert_eq!(cursor.next_offset(), 5);
    source.publish("ab");
    assert_eq!(cursor.next()?.offset, 6);
    Ok(())
}

fn never_returns_a_message_again_after_one_that_was_left_out(source: &Source) -> Result<()> {
    source.publish("ab");
    let mut cursor = source.cursor(0, "a")?;
    assert_eq!(cursor.next()?.offset, 0);
    for offset in [2, 4] {
        assert_eq!(cursor.next_timeout(SOON)?, None);
        source.publish("ab");
        assert_eq!(cursor.next()?.offset, offset);
    }
    Ok(())
}

fn passes_what_the_filter_leaves_out_at_the_end(source: &Source) -> Result<()> {
    source.publish("abbb");
    let mut cursor = source.cursor(0, "a")?;
    assert_eq!(cursor.next_offset(), 0);
    assert_eq!(cursor.next()?.offset, 0);
    assert_eq!(cursor.next_offset(), 4);
    source.publish("bb");
    assert_eq!(cursor.next_timeout(SOON)?, None);
    assert_eq!(cursor.next_offset(), 6);
    Ok(())
}

fn waits_at_the_end(source: &Source) -> Result<()> {
    let mut cursor = source.all(0);
    let waiting = thread::spawn(move || cursor.next());
    thread::sleep(SOON);
    assert!(!waiting.is_finished());
    source.publish("a");
    assert_eq!(waiting.join().expect("no panic")?.offset, 0);
    Ok(())
}

fn wakes_all_cursors_that_wait(source: &Source) -> Result<()> {
    let wait = |_| {
        let mut cursor = source.all(0);
        thread::spawn(move || cursor.next())
    };
    let waiting: Vec<_> = (0..5).map(wait).collect();
    thread::sleep(SOON);
    source.publish("a");
    for waiting in waiting {
        assert_eq!(waiting.join().expect("no panic")?.offset, 0);
    }
    Ok(())
}

fn fails_with_cursor_closed_before_a_wait(source: &Source) -> Result<()> {
    source.publish("a");
    let mut cursor = source.all(0);
    cursor.close()?;
    assert!(cursor.closer().is_closed());
    for _ in 0..2 {
        assert!(matches!(cursor.next(), Err(Error::CursorClosed)));
        assert!(matches!(cursor.next_timeout(SOON), Err(Error::CursorClosed)));
    }
    assert_eq!(source.log.next_offset()?, 1, "the log is open");
    Ok(())
}

fn fails_with_cursor_closed_during_a_wait(source: &Source) -> Result<()> {
    let mut cursor = source.all(0);
    let closer = cursor.closer();
    let waiting = thread::spawn(move || cursor.next());
    thread::sleep(SOON);
    closer.clone().close()?;
    assert!(matches!(
        waiting.join().expect("no panic"),
        Err(Error::CursorClosed)
    ));
    Ok(())
}

fn fails_with_cursor_closed_when_it_is_closed_again(source: &Source) -> Result<()> {
    let cursor = source.all(0);
    let closer = cursor.closer();
    cursor.close()?;
    assert!(matches!(cursor.close(), Err(Error::CursorClosed)));
    assert!(matches!(closer.close(), Err(Error::CursorClosed)));
    let dropped = source.all(0).closer();
    assert!(dropped.is_closed());
    assert!(matches!(dropped.close(), Err(Error::CursorClosed)));
    Ok(())
}

fn returns_nothing_that_was_read_ahead_once_it_is_closed(source: &Source) -> Result<()> {
    source.publish("aaa");
    let mut cursor = source.all(0);
    assert_eq!(cursor.next()?.offset, 0);
    cursor.close()?;
    assert!(matches!(cursor.next(), Err(Error::CursorClosed)));
    Ok(())
}

fn fails_once_its_next_message_was_trimmed(source: &Source) -> Result<()> {
    source.publish("aaaa");
    let mut cursor = source.all(1);
    source.log.trim(3)?;
    for _ in 0..2 {
        let error = cursor.next().expect_err("trimmed");
        assert!(error.is_trimmed(), "{error}");
    }
    assert_eq!(cursor.next_offset(), 1);
    assert_eq!(source.all(3).next()?.offset, 3);
    Ok(())
}

fn never_passes_a_trim_in_silence(source: &Source) -> Result<()> {
    source.publish("b");
    // It is to go on at 1, which is not published yet.
    let mut cursor = source.cursor(1, "a")?;
    let waiting = thread::spawn(move || (cursor.next(), cursor.next_offset()));
    thread::sleep(SOON);
    let control = duramen::Control::Trim(u64::MAX);
    let how = duramen::PublishOptions::new().and(control);
    source.log.append(&[NewMessage::value(b"gone")], &how)?;
    source.publish("a");
    let (next, next_offset) = waiting.join().expect("no panic");
    match next {
        // It has looked between the message, which does not pass, and the trim.
        Ok(message) => assert_eq!((message.offset, next_offset), (3, 4)),
        Err(error) => assert!(error.is_trimmed() && next_offset == 1, "{error}"),
    }
    Ok(())
}

fn begins_with_the_oldest_message_though_messages_are_trimmed(source: &Source) -> Result<()> {
    source.publish("bbba");
    let mut cursor = source.log.cursor(Start::Oldest, Filter::key(b"a"))?;
    source.log.trim(2)?;
    assert_eq!(cursor.next()?.offset, 3);
    source.publish("aa");
    source.log.trim(5)?;
    let error = cursor.next().expect_err("trimmed");
    assert!(error.is_trimmed(), "{error}");
    Ok(())
}

fn opens_at_the_end_and_beyond_it(source: &Source) -> Result<()> {
    source.publish("aa");
    let mut end = source.all(2);
    let mut beyond = source.all(4);
    assert_eq!((end.next_offset(), beyond.next_offset()), (2, 4));
    assert_eq!(beyond.next_timeout(SOON)?, None);
    source.publish("aa");
    assert_eq!(end.next()?.offset, 2);
    assert_eq!(beyond.next_timeout(SOON)?, None);
    source.publish("a");
    assert_eq!(beyond.next()?.offset, 4);
    assert_eq!(beyond.next_offset(), 5);
    Ok(())
}

fn refuses_an_empty_filter(source: &Source) -> Result<()> {
    let none: [&[u8]; 0] = [];
    let empty = Filter::header_in(b"type", none);
    let refused = source.log.cursor(Start::Oldest, empty);
    assert!(matches!(refused, Err(Error::Invalid(_))));
    Ok(())
}

fn refuses_a_start_that_was_trimmed(source: &Source) -> Result<()> {
    source.publish("aaa");
    source.log.trim(2)?;
    let error = source.cursor(1, "a").expect_err("trimmed");
    assert!(error.is_trimmed(), "{error}");
    let mut skips = source.log.cursor(Start::AtOrOldest(1), Filter::any())?;
    assert_eq!(skips.next()?.offset, 2);
    Ok(())
}

fn ends_at_the_end_of_a_sealed_log(source: &Source) -> Result<()> {
    source.publish("a");
    let how = duramen::PublishOptions::new().and(duramen::Control::Seal);
    source.log.append(&[], &how)?;
    let mut cursor = source.all(0);
    assert_eq!(cursor.next()?.offset, 0);
    assert!(matches!(cursor.next(), Err(Error::Sealed)));
    Ok(())
}

fn does_not_wait_where_it_has_no_time(source: &Source) -> Result<()> {
    let mut cursor = source.all(0);
    let begun = Instant::now();
    assert_eq!(cursor.next_timeout(Duration::ZERO)?, None);
    assert!(begun.elapsed() < LONG);
    source.publish("a");
    assert!(cursor.next_timeout(Duration::ZERO)?.is_some());
    // A wait too long to be told is one without an end.
    source.publish("a");
    assert!(cursor.next_timeout(Duration::MAX)?.is_some());
    Ok(())
}

fn steps_over_messages_that_were_deleted(source: &Source) -> Result<()> {
    source.publish("aaaa");
    source.log.delete(&[0, 2].into())?;
    let mut cursor = source.all(0);
    assert_eq!(cursor.next()?.offset, 1);
    assert_eq!(cursor.next()?.offset, 3);
    Ok(())
}

fn reads_by_header(source: &Source) -> Result<()> {
    for kind in ["order", "refund", "note"] {
        let message = NewMessage::value(b"v");
        let headers: &[(&[u8], &[u8])] = &[(b"type", kind.as_bytes())];
        source.log.publish(&[message.headers(headers)])?;
    }
    let filter = Filter::header_in(b"type", [&b"order"[..], b"note"]);
    let mut cursor = source.log.cursor(Start::Oldest, filter)?;
    assert_eq!(cursor.next()?.offset, 0);
    assert_eq!(cursor.next()?.offset, 2);
    Ok(())
}

fn keeps_no_log_open_by_its_closer(_source: &Source) -> Result<()> {
    let log = Arc::new(MemoryLog::new());
    let cursor = BlockingLog::new(Arc::clone(&log)).cursor(Start::Oldest, Filter::any())?;
    let closer = cursor.closer();
    assert_eq!(Arc::strong_count(&log), 2);
    drop(cursor);
    assert_eq!(Arc::strong_count(&log), 1);
    assert!(matches!(closer.close(), Err(Error::CursorClosed)));
    Ok(())
}

fn tells_when_the_log_is_closed(source: &Source) -> Result<()> {
    let mut cursor = source.all(0);
    let waiting = thread::spawn(move || cursor.next());
    thread::sleep(SOON);
    source.log.close()?;
    assert!(matches!(waiting.join().expect("no panic"), Err(Error::Closed)));
    Ok(())
}

fn two_cursors_do_not_disturb_each_other(source: &Source) -> Result<()> {
    source.publish("abab");
    let (mut one, mut other) = (source.cursor(0, "a")?, source.cursor(0, "b")?);
    assert_eq!((one.next()?.offset, other.next()?.offset), (0, 1));
    one.close()?;
    assert_eq!(other.next()?.offset, 3);
    let follow = source.log.follow(Start::Oldest).next_timeout(SOON);
    assert!(matches!(follow, Awaited::Item(Ok(_))));
    Ok(())
}
