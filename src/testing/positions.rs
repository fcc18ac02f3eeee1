use super::support::{assert_fails, publish_numbers};
use super::{Case, Factory, Setup, case};
use crate::{Error, LifeId, Log, Start};

/// For logs that have positions. Other logs pass.
pub(super) const CASES: &[Case] = case::list![
    position_is_the_next_offset_in_the_life_of_the_log,
    position_keeps_its_life_while_the_log_is_open,
    positions_of_two_logs_are_of_two_lives,
    position_at_an_offset_is_of_the_life_of_the_log,
    resume_goes_on_at_the_offset,
    resume_at_a_trimmed_offset_is_found_out_by_reading,
    resume_of_a_position_of_another_log_is_epoch_changed,
    resume_of_an_unknown_life_is_epoch_changed,
    position_after_close_is_closed,
];

fn has_positions(log: &dyn Log) -> bool {
    !matches!(log.position(), Err(Error::Invalid(_)))
}

fn position_is_the_next_offset_in_the_life_of_the_log(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for next in 0..5 {
        if has_positions(&log) {
            let position = log.position().unwrap();
            assert_eq!(position.offset, next);
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        publish_numbers(&log, next..next + 1);
    }
}

fn position_keeps_its_life_while_the_log_is_open(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    if !has_positions(&log) {
        return;
    }
    let begun = log.position().unwrap();
    publish_numbers(&log, 0..5);
    log.sync().unwrap();
    log.delete(&[1, 4].into()).unwrap();
    log.trim(3).unwrap();
    assert_eq!(log.position().unwrap(), begun.at(5));
}

fn positions_of_two_logs_are_of_two_lives(new: Factory<'_>) {
    let (log, other) = (new(Setup::PLAIN), new(Setup::PLAIN));
    if has_positions(&log) && has_positions(&other) {
        assert_ne!(log.position().unwrap(), other.position().unwrap());
    }
}

fn position_at_an_offset_is_of_the_life_of_the_log(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    if !has_positions(&log) {
        return;
    }
    publish_numbers(&log, 0..3);
    let end = log.position().unwrap();
    for offset in [0, 2, 3, u64::MAX] {
        assert_eq!(log.position_at(offset).unwrap(), end.at(offset));
    }
}

fn resume_goes_on_at_the_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    if !has_positions(&log) {
        return;
    }
    let begun = log.position().unwrap();
    assert_eq!(log.resume(begun).unwrap(), Start::At(0));
    publish_numbers(&log, 0..3);
    for offset in 0..=3 {
        assert_eq!(log.resume(begun.at(offset)).unwrap(), Start::At(offset));
    }
}

fn resume_at_a_trimmed_offset_is_found_out_by_reading(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    if !has_positions(&log) {
        return;
    }
    let begun = log.position().unwrap();
    publish_numbers(&log, 0..3);
    log.trim(2).unwrap();
    let from = log.resume(begun).unwrap();
    assert!(log.consume(from, 1).unwrap_err().is_trimmed());
}

fn resume_of_a_position_of_another_log_is_epoch_changed(new: Factory<'_>) {
    let (log, other) = (new(Setup::PLAIN), new(Setup::PLAIN));
    if !has_positions(&log) || !has_positions(&other) {
        return;
    }
    publish_numbers(&log, 0..3);
    publish_numbers(&other, 0..3);
    for offset in [0, 2, 3] {
        let foreign = other.position().unwrap().at(offset);
        match log.resume(foreign) {
            Err(Error::EpochChanged {
                position,
                parted_at: None,
            }) => assert_eq!(position, foreign),
            resumed => panic!("{resumed:?}"),
        }
    }
}

fn resume_of_an_unknown_life_is_epoch_changed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    if !has_positions(&log) {
        return;
    }
    let mut position = log.position().unwrap();
    for life in [[0; 16], [255; 16]] {
        position.life = LifeId::from_bytes(life);
        assert_fails!(log.resume(position), Error::EpochChanged { .. });
    }
}

fn position_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let Ok(position) = log.position() else { return };
    log.close().unwrap();
    assert_fails!(log.position(), Error::Closed);
    assert_fails!(log.position_at(0), Error::Closed);
    assert_fails!(log.resume(position), Error::Closed);
}
