use super::control_support::{M, assert_refused, control, how, place};
use super::support::{all, assert_fails, us};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, NewMessage, TimestampPolicy};

pub(super) const CASES: &[Case] = case::list![control:
    as_given_keeps_every_time_as_it_is,
    as_given_takes_the_clock_where_there_is_no_time,
    client_prefer_caps_at_the_clock_and_raises_to_the_latest,
    client_prefer_uncapped_raises_to_the_latest_only,
    client_prefer_takes_the_clock_where_there_is_no_time,
    the_latest_time_is_kept_when_the_clock_is_behind_it,
    times_are_raised_from_batch_to_batch,
    times_are_raised_for_every_way_to_publish,
    client_require_refuses_a_batch_with_a_message_without_time,
    client_require_names_the_first_message_without_time,
    client_require_takes_times_in_order,
    client_require_wants_no_time_of_control_records,
    client_require_takes_an_empty_batch,
    arrival_takes_the_clock_whatever_is_given,
    control_records_have_the_time_of_the_clock,
    control_records_behind_messages_are_not_before_them,
    the_latest_time_outlives_a_trim,
    times_by_policy_are_those_of_the_time_index,
    the_earliest_and_the_latest_times_are_capped_and_raised,
];

const PREFER: TimestampPolicy = TimestampPolicy::ClientPrefer;
const REQUIRE: TimestampPolicy = TimestampPolicy::ClientRequire;

/// A log with this policy whose clock stands still at 1000.
fn stamping(new: Factory<'_>, policy: TimestampPolicy) -> Box<dyn Log> {
    new(Setup::INDEXED.at(1000).stamping(policy))
}

/// Publishes messages with these times, or without, as one batch.
fn publish(log: &dyn Log, times: &[Option<i64>]) -> crate::Result<crate::Ack> {
    let messages: Vec<NewMessage<'_>> = times
        .iter()
        .map(|time| NewMessage {
            time: time.map(us),
            ..M
        })
        .collect();
    log.append(&messages, &how())
}

/// The times of the messages in the log.
fn times(log: &dyn Log) -> Vec<i64> {
    all(log).iter().map(|message| message.time.as_micros()).collect()
}

/// The times of the last `count` messages.
fn last_times(log: &dyn Log, count: usize) -> Vec<i64> {
    let mut times = times(log);
    times.split_off(times.len() - count)
}

const GIVEN: [Option<i64>; 4] = [None, Some(1500), Some(800), Some(950)];

fn as_given_keeps_every_time_as_it_is(new: Factory<'_>) {
    let log = stamping(new, TimestampPolicy::AsGiven);
    let given = [5000, -3, 1000, i64::MIN, i64::MAX, 0];
    let ack = publish(&log, &given.map(Some)).unwrap();
    assert_eq!(times(&log), given);
    assert_eq!((ack.start, ack.end), (place(0, 5000), place(6, 0)));
}

fn as_given_takes_the_clock_where_there_is_no_time(new: Factory<'_>) {
    let log = stamping(new, TimestampPolicy::AsGiven);
    publish(&log, &[None, Some(5), None]).unwrap();
    assert_eq!(times(&log), [1000, 5, 1000]);
}

fn client_prefer_caps_at_the_clock_and_raises_to_the_latest(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    publish(&log, &[Some(900)]).unwrap();
    let ack = publish(&log, &GIVEN).unwrap();
    assert_eq!(times(&log), [900, 1000, 1000, 1000, 1000]);
    assert_eq!((ack.start, ack.end), (place(1, 1000), place(5, 1000)));
}

fn client_prefer_uncapped_raises_to_the_latest_only(new: Factory<'_>) {
    let log = stamping(new, PREFER.uncapped());
    publish(&log, &[Some(900)]).unwrap();
    let ack = publish(&log, &GIVEN).unwrap();
    assert_eq!(times(&log), [900, 1000, 1500, 1500, 1500]);
    assert_eq!((ack.start, ack.end), (place(1, 1000), place(5, 1500)));
}

fn client_prefer_takes_the_clock_where_there_is_no_time(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    publish(&log, &[Some(3), None]).unwrap();
    assert_eq!(times(&log), [3, 1000]);
}

fn the_latest_time_is_kept_when_the_clock_is_behind_it(new: Factory<'_>) {
    let log = stamping(new, PREFER.uncapped());
    publish(&log, &[Some(1200)]).unwrap();
    let ack = publish(&log, &[None]).unwrap();
    assert_eq!((times(&log), ack.start), (vec![1200, 1200], place(1, 1200)));
}

fn times_are_raised_from_batch_to_batch(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    for (given, stored) in [(5, 5), (3, 5), (700, 700), (-9, 700), (701, 701)] {
        publish(&log, &[Some(given)]).unwrap();
        assert_eq!(last_times(&log, 1), [stored]);
    }
}

fn times_are_raised_for_every_way_to_publish(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    publish(&log, &[Some(700)]).unwrap();
    let early = [M.time(us(5))];
    log.publish(&early).unwrap();
    log.publish_with(&early, &how().sync(true)).unwrap();
    log.publish_with(&early, &how().producer(1, 1)).unwrap();
    log.append(&early, &how().expect_next_offset(4)).unwrap();
    assert_eq!(times(&log), [700; 5]);
}

fn client_require_refuses_a_batch_with_a_message_without_time(new: Factory<'_>) {
    let log = stamping(new, REQUIRE);
    let batch = [M.time(us(5)), M];
    assert_refused!(log, log.append(&batch, &how()), Error::TimeRequired { index: 1 });
    assert_refused!(log, log.publish(&batch), Error::TimeRequired { index: 1 });
    assert_refused!(
        log,
        log.publish_with(&batch, &how().sync(true)),
        Error::TimeRequired { index: 1 }
    );
    assert_eq!(log.next_offset().unwrap(), 0);
}

fn client_require_names_the_first_message_without_time(new: Factory<'_>) {
    let log = stamping(new, REQUIRE);
    assert_fails!(publish(&log, &[None]), Error::TimeRequired { index: 0 });
    let given = [Some(1), Some(2), None, Some(3), None];
    assert_fails!(publish(&log, &given), Error::TimeRequired { index: 2 });
}

fn client_require_takes_times_in_order(new: Factory<'_>) {
    let log = stamping(new, REQUIRE);
    publish(&log, &[Some(5), Some(4), Some(2000)]).unwrap();
    assert_eq!(times(&log), [5, 5, 1000]);
    let log = stamping(new, REQUIRE.uncapped());
    publish(&log, &[Some(5), Some(4), Some(2000), Some(3)]).unwrap();
    assert_eq!(times(&log), [5, 5, 2000, 2000]);
}

fn client_require_wants_no_time_of_control_records(new: Factory<'_>) {
    let log = stamping(new, REQUIRE);
    control(&log, Control::Trim(0));
    let both = how().and(Control::Trim(0));
    assert_eq!(log.append(&[M.time(us(5))], &both).unwrap().end.offset, 3);
    assert_refused!(log, log.append(&[M], &both), Error::TimeRequired { index: 0 });
}

fn client_require_takes_an_empty_batch(new: Factory<'_>) {
    let log = stamping(new, REQUIRE);
    assert_eq!(log.publish(&[]).unwrap(), 0);
    assert_eq!(publish(&log, &[]).unwrap().end.offset, 0);
}

fn arrival_takes_the_clock_whatever_is_given(new: Factory<'_>) {
    for policy in [TimestampPolicy::Arrival, TimestampPolicy::Arrival.uncapped()] {
        let log = stamping(new, policy);
        publish(&log, &[None, Some(1500), Some(5), Some(1000)]).unwrap();
        assert_eq!(times(&log), [1000; 4]);
    }
}

fn control_records_have_the_time_of_the_clock(new: Factory<'_>) {
    for policy in [
        TimestampPolicy::AsGiven,
        PREFER,
        REQUIRE,
        TimestampPolicy::Arrival,
    ] {
        let log = stamping(new, policy);
        assert_eq!(control(&log, Control::Trim(0)).end, place(1, 1000));
        let ack = log
            .append(&[M.time(us(5))], &how().and(Control::Trim(0)))
            .unwrap();
        assert_eq!((ack.end, log.tail().unwrap()), (place(3, 1000), place(3, 1000)));
    }
}

fn control_records_behind_messages_are_not_before_them(new: Factory<'_>) {
    let log = stamping(new, PREFER.uncapped());
    let ack = log
        .append(&[M.time(us(1500))], &how().and(Control::Trim(0)))
        .unwrap();
    assert_eq!((ack.start, ack.end), (place(0, 1500), place(2, 1500)));
    assert_eq!(control(&log, Control::Trim(0)).end, place(3, 1500));
}

fn the_latest_time_outlives_a_trim(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    publish(&log, &[Some(700)]).unwrap();
    log.trim(1).unwrap();
    assert_eq!(publish(&log, &[Some(5)]).unwrap().start, place(1, 700));
}

fn times_by_policy_are_those_of_the_time_index(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    publish(&log, &[Some(500), Some(300), Some(5000)]).unwrap();
    assert_eq!(log.offset_by_time(us(501)).unwrap(), (2, us(1000)));
    assert_eq!(log.offset_by_time(us(400)).unwrap(), (0, us(500)));
    assert_fails!(log.offset_by_time(us(1001)), Error::NotFound);
}

fn the_earliest_and_the_latest_times_are_capped_and_raised(new: Factory<'_>) {
    let log = stamping(new, PREFER);
    publish(&log, &[Some(i64::MIN), Some(i64::MAX), Some(i64::MIN)]).unwrap();
    assert_eq!(times(&log), [i64::MIN, 1000, 1000]);
    let log = stamping(new, PREFER.uncapped());
    publish(&log, &[Some(i64::MAX), None, Some(i64::MIN)]).unwrap();
    assert_eq!(times(&log), [i64::MAX; 3]);
}
