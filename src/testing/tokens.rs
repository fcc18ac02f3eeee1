use super::control_support::{M, assert_fenced, control, fence, how, token, with_token};
use super::support::{all, assert_fails, delete, offsets, publish_numbers};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, Start, Token};

pub(super) const CASES: &[Case] = case::list![control:
    the_token_of_a_new_log_is_empty,
    a_fence_gives_the_log_its_token,
    a_fence_publishes_the_messages_in_front_of_it,
    a_publish_with_the_token_succeeds,
    a_publish_with_another_token_is_fenced,
    a_publish_with_the_token_of_before_the_fence_is_fenced,
    a_batch_is_checked_against_the_token_before_its_own_fence,
    the_empty_token_is_a_token,
    no_token_is_no_check,
    the_check_of_a_token_takes_no_part_of_a_token_for_it,
    a_token_of_36_bytes_is_a_token_and_a_longer_one_invalid,
    anybody_may_fence,
    a_fence_with_the_wrong_token_changes_nothing,
    a_fence_with_the_wrong_expectation_changes_nothing,
    the_last_fence_of_a_batch_wins,
    a_fence_to_the_same_token_changes_nothing_but_takes_an_offset,
    a_fence_to_the_empty_token_ends_the_fencing,
    the_token_outlives_a_trim_of_its_record,
    the_token_outlives_a_delete_of_everything,
    an_empty_batch_checks_the_token,
    publish_with_checks_the_token,
    a_fence_by_publish_with_is_a_fence,
    stat_tells_the_token,
    token_after_close_is_closed,
    a_log_that_requires_a_token_requires_none_before_the_first_fence,
    a_log_that_requires_a_token_refuses_every_publish_without,
    a_log_that_requires_a_token_takes_it,
    a_log_that_requires_a_token_lets_anybody_fence,
    a_log_that_requires_a_token_requires_none_once_it_is_empty_again,
];

fn the_token_of_a_new_log_is_empty(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.token().unwrap(), Token::EMPTY);
    publish_numbers(&log, 0..3);
    assert_eq!(log.token().unwrap(), Token::EMPTY);
    log.append(&[M], &how().token(Token::EMPTY)).unwrap();
}

fn a_fence_gives_the_log_its_token(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for text in ["a", "b", "", "c"] {
        fence(&log, text);
        assert_eq!(log.token().unwrap(), token(text));
    }
    assert_eq!(log.next_offset().unwrap(), 4);
}

fn a_fence_publishes_the_messages_in_front_of_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let ack = log
        .append(&[M, M], &how().and(Control::Fence(token("a"))))
        .unwrap();
    assert_eq!((ack.start.offset, ack.end.offset), (0, 3));
    assert_eq!(offsets(&all(&log)), [0, 1]);
    assert_eq!(log.token().unwrap(), token("a"));
}

fn a_publish_with_the_token_succeeds(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    for offset in 1..5 {
        let ack = log.append(&[M], &with_token("a")).unwrap();
        assert_eq!(ack.start.offset, offset);
    }
}

fn a_publish_with_another_token_is_fenced(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_fenced(&log, "x", "", || log.append(&[M], &with_token("x")));
    fence(&log, "a");
    assert_fenced(&log, "x", "a", || log.append(&[M], &with_token("x")));
    log.append(&[M], &with_token("a")).unwrap();
}

fn a_publish_with_the_token_of_before_the_fence_is_fenced(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    log.append(&[M], &with_token("a").and(Control::Fence(token("b"))))
        .unwrap();
    assert_fenced(&log, "a", "b", || log.append(&[M], &with_token("a")));
    log.append(&[M], &with_token("b")).unwrap();
}

fn a_batch_is_checked_against_the_token_before_its_own_fence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    let to_b = Control::Fence(token("b"));
    assert_fenced(&log, "b", "a", || log.append(&[M], &with_token("b").and(to_b)));
    log.append(&[M], &with_token("a").and(to_b)).unwrap();
}

fn the_empty_token_is_a_token(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.append(&[M], &with_token("")).unwrap();
    fence(&log, "b");
    assert_fenced(&log, "", "b", || log.append(&[M], &with_token("")));
}

fn no_token_is_no_check(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "b");
    assert_eq!(log.append(&[M], &how()).unwrap().start.offset, 1);
    assert_eq!(log.publish(&[M]).unwrap(), 3);
    assert_eq!(log.publish_with(&[M], &how()).unwrap(), 4);
}

fn the_check_of_a_token_takes_no_part_of_a_token_for_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "ab");
    for wrong in ["a", "b", "abc", "AB", "ab ", "ab\0", ""] {
        assert_fenced(&log, wrong, "ab", || log.append(&[M], &with_token(wrong)));
    }
}

fn a_token_of_36_bytes_is_a_token_and_a_longer_one_invalid(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let longest = "é".repeat(18);
    fence(&log, &longest);
    assert_eq!(log.token().unwrap().to_string(), longest);
    log.append(&[M], &with_token(&longest)).unwrap();
    let almost = "é".repeat(17);
    assert_fenced(&log, &almost, &longest, || log.append(&[M], &with_token(&almost)));
    assert_fails!((longest + "a").parse::<Token>(), Error::Invalid(_));
}

fn anybody_may_fence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for text in ["a", "b", "a"] {
        fence(&log, text);
        assert_eq!(log.token().unwrap(), token(text));
    }
}

fn a_fence_with_the_wrong_token_changes_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "b");
    let to_a = Control::Fence(token("a"));
    assert_fenced(&log, "a", "b", || log.append(&[M], &with_token("a").and(to_a)));
    assert_eq!(log.token().unwrap(), token("b"));
}

fn a_fence_with_the_wrong_expectation_changes_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "b");
    let wrong = how().expect_next_offset(9).and(Control::Fence(token("a")));
    assert_fails!(log.append(&[M], &wrong), Error::OffsetMismatch { actual: 1, .. });
    assert_eq!(
        (log.token().unwrap(), log.next_offset().unwrap()),
        (token("b"), 1)
    );
}

fn the_last_fence_of_a_batch_wins(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let fences = ["a", "b", "c"].map(|text| Control::Fence(token(text)));
    let three = fences.iter().fold(how(), |how, fence| how.and(*fence));
    let ack = log.append(&[M], &three).unwrap();
    assert_eq!((ack.end.offset, log.token().unwrap()), (4, token("c")));
    assert_fenced(&log, "b", "c", || log.append(&[M], &with_token("b")));
}

fn a_fence_to_the_same_token_changes_nothing_but_takes_an_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    let ack = fence(&log, "a");
    assert_eq!((ack.start.offset, ack.end.offset), (1, 2));
    assert_eq!(log.token().unwrap(), token("a"));
}

fn a_fence_to_the_empty_token_ends_the_fencing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    fence(&log, "");
    assert_fenced(&log, "a", "", || log.append(&[M], &with_token("a")));
    log.append(&[M], &with_token("")).unwrap();
}

fn the_token_outlives_a_trim_of_its_record(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "b");
    log.publish(&[M]).unwrap();
    log.trim(2).unwrap();
    assert_eq!(
        (log.token().unwrap(), log.start_offset().unwrap()),
        (token("b"), 2)
    );
    control(&log, Control::Trim(u64::MAX));
    assert_eq!(
        (log.token().unwrap(), log.start_offset().unwrap()),
        (token("b"), 3)
    );
    assert_fenced(&log, "a", "b", || log.append(&[M], &with_token("a")));
    log.append(&[M], &with_token("b")).unwrap();
}

fn the_token_outlives_a_delete_of_everything(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..2);
    fence(&log, "b");
    publish_numbers(&log, 3..5);
    delete(&log, &[0, 1, 2, 3, 4]);
    assert_eq!(
        (log.token().unwrap(), log.stat().unwrap().messages),
        (token("b"), 0)
    );
    assert_fenced(&log, "a", "b", || log.append(&[M], &with_token("a")));
}

fn an_empty_batch_checks_the_token(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "b");
    assert_fenced(&log, "a", "b", || log.append(&[], &with_token("a")));
    assert_fenced(&log, "a", "b", || log.publish_with(&[], &with_token("a")));
    let ack = log.append(&[], &with_token("b")).unwrap();
    assert_eq!((ack.start.offset, ack.end.offset), (1, 1));
}

fn publish_with_checks_the_token(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "b");
    assert_fenced(&log, "a", "b", || log.publish_with(&[M], &with_token("a")));
    assert_eq!(log.publish_with(&[M], &with_token("b")).unwrap(), 2);
}

fn a_fence_by_publish_with_is_a_fence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let how = how().and(Control::Fence(token("b")));
    assert_eq!(log.publish_with(&[M], &how).unwrap(), 2);
    assert_eq!(log.token().unwrap(), token("b"));
    assert_fenced(&log, "a", "b", || log.publish_with(&[M], &with_token("a")));
}

fn stat_tells_the_token(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.stat().unwrap().token, Token::EMPTY);
    fence(&log, "b");
    assert_eq!(log.stat().unwrap().token, token("b"));
    let stat = log.stat().unwrap();
    assert_eq!((stat.messages, stat.next_offset), (0, 1));
}

fn token_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.close().unwrap();
    assert_fails!(log.token(), Error::Closed);
}

fn a_log_that_requires_a_token_requires_none_before_the_first_fence(new: Factory<'_>) {
    let log = new(Setup::GUARDED);
    publish_numbers(&log, 0..3);
    log.append(&[M], &how()).unwrap();
    assert_fenced(&log, "a", "", || log.append(&[M], &with_token("a")));
    log.append(&[M], &with_token("")).unwrap();
}

fn a_log_that_requires_a_token_refuses_every_publish_without(new: Factory<'_>) {
    let log = new(Setup::GUARDED);
    fence(&log, "b");
    assert_fenced(&log, "", "b", || log.publish(&[M]));
    assert_fenced(&log, "", "b", || log.publish(&[]));
    assert_fenced(&log, "", "b", || log.publish_with(&[M], &how()));
    assert_fenced(&log, "", "b", || log.publish_with(&[M], &how().sync(true)));
    assert_fenced(&log, "", "b", || log.append(&[M], &how()));
    assert_fenced(&log, "", "b", || log.append(&[M], &how().expect_next_offset(1)));
    assert_fenced(&log, "", "b", || log.append(&[M], &how().producer(1, 1)));
    assert_fenced(&log, "", "b", || log.append(&[M], &with_token("")));
}

fn a_log_that_requires_a_token_takes_it(new: Factory<'_>) {
    let log = new(Setup::GUARDED);
    fence(&log, "b");
    assert_eq!(log.append(&[M], &with_token("b")).unwrap().start.offset, 1);
    assert_eq!(log.publish_with(&[M], &with_token("b")).unwrap(), 3);
    assert_eq!(offsets(&all(&log)), [1, 2]);
    assert_eq!(log.get(Start::Newest).unwrap().offset, 2);
}

fn a_log_that_requires_a_token_lets_anybody_fence(new: Factory<'_>) {
    let log = new(Setup::GUARDED);
    fence(&log, "b");
    let to_c = Control::Fence(token("c"));
    assert_fenced(&log, "a", "b", || log.append(&[], &with_token("a").and(to_c)));
    log.append(&[M], &how().and(to_c)).unwrap();
    assert_eq!(log.token().unwrap(), token("c"));
    assert_fenced(&log, "", "c", || log.append(&[M], &how().and(Control::Seal)));
}

fn a_log_that_requires_a_token_requires_none_once_it_is_empty_again(new: Factory<'_>) {
    let log = new(Setup::GUARDED);
    fence(&log, "b");
    log.append(&[], &with_token("b").and(Control::Fence(Token::EMPTY)))
        .unwrap();
    assert_eq!(log.publish(&[M]).unwrap(), 3);
}
