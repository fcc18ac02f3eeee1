use super::control_support::{M, assert_refused, control, fence, how, outline, place, read_options, token};
use super::support::{all, delete, offsets, publish_keys, publish_numbers, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, Start, Stop};

pub(super) const CASES: &[Case] = case::list![control:
    a_trim_control_trims_to_its_point,
    a_trim_control_trims_no_further_than_behind_itself,
    a_trim_control_at_or_below_the_start_offset_has_no_effect,
    a_trim_control_never_moves_the_start_back,
    a_trim_control_may_trim_the_messages_of_its_own_batch,
    the_highest_trim_of_a_batch_wins,
    a_trim_control_leaves_the_controls_behind_it,
    a_trim_control_has_happened_when_the_publish_returns,
    a_trim_control_of_a_refused_batch_trims_nothing,
    a_trim_control_by_publish_with_trims,
    a_trim_control_takes_the_keys_and_times_along,
    a_trim_control_counts_deleted_messages_as_gone,
    readers_of_what_a_control_has_trimmed_are_told,
    the_log_goes_on_behind_a_trim_control,
    the_ack_of_a_batch_that_trims_itself_tells_where_it_was,
];

fn a_trim_control_trims_to_its_point(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    control(&log, Control::Trim(3));
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (3, 6));
    assert_eq!(offsets(&all(&log)), [3, 4]);
    assert_eq!(log.stat().unwrap().messages, 2);
}

fn a_trim_control_trims_no_further_than_behind_itself(new: Factory<'_>) {
    for point in [6, 100, u64::MAX] {
        let log = new(Setup::PLAIN);
        publish_numbers(&log, 0..5);
        control(&log, Control::Trim(point));
        let stat = log.stat().unwrap();
        assert_eq!((stat.start_offset, stat.next_offset, stat.messages), (6, 6, 0));
        assert_eq!(
            outline(&log, Start::Oldest, &read_options()),
            (vec![], 6, Stop::AtEnd)
        );
    }
}

fn a_trim_control_at_or_below_the_start_offset_has_no_effect(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    log.trim(3).unwrap();
    for (point, end) in [(0, 6), (2, 7), (3, 8)] {
        let ack = control(&log, Control::Trim(point));
        assert_eq!((log.start_offset().unwrap(), ack.end.offset), (3, end));
        assert_eq!(offsets(&all(&log)), [3, 4]);
    }
}

fn a_trim_control_never_moves_the_start_back(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    control(&log, Control::Trim(100));
    assert_eq!(log.start_offset().unwrap(), 6);
    control(&log, Control::Trim(3));
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (6, 7));
}

fn a_trim_control_may_trim_the_messages_of_its_own_batch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..2);
    log.append(&[M, M], &how().and(Control::Trim(3))).unwrap();
    assert_eq!((log.start_offset().unwrap(), offsets(&all(&log))), (3, vec![3]));
    log.append(&[M, M], &how().and(Control::Trim(u64::MAX))).unwrap();
    let stat = log.stat().unwrap();
    assert_eq!((stat.start_offset, stat.next_offset, stat.messages), (8, 8, 0));
}

fn the_highest_trim_of_a_batch_wins(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    let two = how().and(Control::Trim(3)).and(Control::Trim(1));
    log.append(&[], &two).unwrap();
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (3, 7));
}

fn a_trim_control_leaves_the_controls_behind_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..2);
    let two = how().and(Control::Trim(100)).and(Control::Fence(token("b")));
    log.append(&[], &two).unwrap();
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (3, 4));
    assert_eq!(log.token().unwrap(), token("b"));
}

fn a_trim_control_has_happened_when_the_publish_returns(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in (2..40).step_by(2) {
        log.append(&[M], &how().and(Control::Trim(end))).unwrap();
        assert_eq!(
            (log.start_offset().unwrap(), log.next_offset().unwrap()),
            (end, end)
        );
    }
}

fn a_trim_control_of_a_refused_batch_trims_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    let trim = how().and(Control::Trim(3));
    let late = trim.expect_next_offset(4);
    assert_refused!(log, log.append(&[M], &late), Error::OffsetMismatch { .. });
    assert_refused!(
        log,
        log.append(&[M], &trim.token(token("x"))),
        Error::Fenced { .. }
    );
    assert_eq!(log.start_offset().unwrap(), 0);
}

fn a_trim_control_by_publish_with_trims(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    assert_eq!(log.publish_with(&[], &how().and(Control::Trim(4))).unwrap(), 6);
    assert_eq!((log.start_offset().unwrap(), offsets(&all(&log))), (4, vec![4]));
}

fn a_trim_control_takes_the_keys_and_times_along(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[50, 10]);
    publish_keys(&log, &["a", "b"]);
    control(&log, Control::Trim(3));
    assert!(matches!(log.get_by_key(b"a"), Err(Error::NotFound)));
    assert_eq!(log.get_by_key(b"b").unwrap().offset, 3);
    assert_eq!(log.get_by_time(us(5)).unwrap().offset, 3);
}

fn a_trim_control_counts_deleted_messages_as_gone(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..6);
    delete(&log, &[1, 3, 4]);
    control(&log, Control::Trim(4));
    let stat = log.stat().unwrap();
    assert_eq!((stat.start_offset, stat.messages), (4, 1));
    assert_eq!(offsets(&all(&log)), [5]);
}

fn readers_of_what_a_control_has_trimmed_are_told(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    control(&log, Control::Trim(3));
    for trimmed in [0, 2] {
        let at = Start::At(trimmed);
        assert!(log.consume(at, 9).unwrap_err().is_trimmed());
        assert!(log.read(at, &read_options()).unwrap_err().is_trimmed());
        assert!(log.get(at).unwrap_err().is_trimmed());
    }
}

fn the_log_goes_on_behind_a_trim_control(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    control(&log, Control::Trim(100));
    assert_eq!(log.publish(&[M, M]).unwrap(), 4);
    assert_eq!(offsets(&all(&log)), [2, 3]);
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 2);
    assert_eq!(log.trim(3).unwrap().count, 1);
}

fn the_ack_of_a_batch_that_trims_itself_tells_where_it_was(new: Factory<'_>) {
    let log = new(Setup::PLAIN.at(77));
    publish_times(&log, &[1]);
    let ack = log
        .append(&[M.time(us(5))], &how().and(Control::Trim(9)))
        .unwrap();
    assert_eq!(
        (ack.start, ack.end, ack.tail),
        (place(1, 5), place(3, 77), place(3, 77))
    );
    assert_eq!(log.tail().unwrap(), place(3, 77));
}
