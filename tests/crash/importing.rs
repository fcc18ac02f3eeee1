//! Imports, the power failing or the process killed after each operation: what is there then is known as unfinished,
//! or is the whole log. Imported to again, it is the whole log.

use duramen::fault::{Errno, Fault, SimDisk};
use duramen::{Corruption, Error, Log, LogExt, NewMessage, Options, Result, Start, Timestamp, check};

use super::settings::Settings;
use crate::verdict::{Verdict, ensure};

const DIR: &str = "/log";
const COUNT: u64 = 60;
const NEXT: u64 = 2_000_000_000_000;
/// So many disks are tried for each operation.
const IMAGES: usize = 12;

fn options(disk: &SimDisk) -> Options {
    Options::new()
        .rollover(1 << 10)
        .key_index(true)
        .time_index(true)
        .background(false)
        .storage(disk)
}

/// The offsets that an import has: with gaps, one of them larger than a segment can have inside.
fn offset_of(number: u64) -> u64 {
    let far = if number > COUNT / 2 { 1 << 40 } else { 0 };
    7 + number * 3 + far
}

/// Imports up to `count` messages, of which every value begins with `word`, and finishes if these are all.
fn import(disk: &SimDisk, word: &str, count: u64) -> Result<()> {
    // One that is interrupted leaves segments of other names.
    let shift = COUNT - count;
    let mut import = options(disk).import(DIR)?;
    for number in 0..count {
        let value = format!("{word} {number}, and more of it, so that there are segments");
        let time = Timestamp::from_micros(i64::try_from(number).expect("small"));
        let message = NewMessage::new(b"key", value.as_bytes()).time(time);
        import.push(offset_of(number) + shift, &message)?;
    }
    if count == COUNT {
        assert!(import.finish(NEXT)?.segments > 4);
    }
    Ok(())
}

/// Whether the whole log is there; an error if it is neither that nor known as unfinished.
fn is_whole(disk: &SimDisk, word: &str) -> Verdict<bool> {
    let log = match options(disk).read_only(true).open(DIR) {
        Ok(log) => log,
        Err(Error::Unfinished { .. } | Error::NoLog { .. }) => return Ok(false),
        Err(error) => return Err(format!("does not open: {error}")),
    };
    let ends = (log.start_offset(), log.next_offset());
    ensure!(matches!(ends, (Ok(7), Ok(NEXT))), "goes from and to {ends:?}");
    for (number, message) in (0..).zip(log.iter(Start::Oldest)) {
        let message = message.map_err(|error| error.to_string())?;
        let value = message.value.unwrap_or_default();
        let is_it = message.offset == offset_of(number) && value.starts_with(word.as_bytes());
        ensure!(is_it, "message {number} is {} {value:?}", message.offset);
    }
    let count = log.stat().map_err(|error| error.to_string())?.messages;
    ensure!(count == COUNT, "has {count} messages");
    drop(log);
    let mut report = check(DIR, &options(disk)).map_err(|error| error.to_string())?;
    // The last write of all may be torn. Its copy is told as damaged, and the other one counts.
    report.problems.retain(|problem| problem.kind != Corruption::Meta);
    ensure!(report.is_clean(), "is not clean: {report:?}");
    Ok(true)
}

/// Crashes after each operation of an import to `disk`, in which an earlier one may have been interrupted.
fn crash_everywhere(disk: &SimDisk, word: &str) {
    let start = disk.point();
    import(disk, word, COUNT).expect("imported");
    assert!(check(DIR, &options(disk)).expect("checked").is_clean());
    let done = disk.point();
    let plan = Settings::get().plan();
    let (mut whole, mut unfinished) = (0, 0);
    for point in (start..=done).filter(|point| disk.is_crash_point(*point)) {
        let images = disk.crash_images(point, &plan).take(IMAGES);
        for image in images.chain([disk.kill_at(point)]) {
            let story =
                |text: &str| format!("{text}, after {point} of {start} to {done}\n{}", image.op_log());
            let is_there = is_whole(&image, word).unwrap_or_else(|text| panic!("{}", story(&text)));
            assert!(is_there || point < done, "{}", story("finished, and not there"));
            whole += u32::from(is_there);
            unfinished += u32::from(!is_there);
            let again = image.kill();
            match import(&again, "again", COUNT) {
                Ok(()) => assert!(!is_there && is_whole(&again, "again") == Ok(true)),
                Err(Error::Invalid(_)) if is_there => {}
                Err(error) => panic!("{}", story(&error.to_string())),
            }
        }
    }
    assert!(
        whole > 0 && unfinished > 50,
        "{whole} whole, {unfinished} unfinished"
    );
}

#[test]
fn an_import_that_a_crash_interrupts_is_unfinished_or_whole() {
    crash_everywhere(&SimDisk::new(Settings::get().seed), "first");
}

#[test]
fn an_import_in_the_place_of_an_interrupted_one_has_nothing_of_it() {
    let disk = SimDisk::new(Settings::get().seed);
    import(&disk, "left", COUNT - 1).expect("imported");
    crash_everywhere(&disk.kill(), "second");
}

/// Goal: a call that the disk refuses leaves what can be imported to again, and never half a log. Method: each call of
/// an import fails once, in each way.
#[test]
fn an_import_whose_disk_fails_is_unfinished_or_whole() {
    for errno in Errno::ALL {
        for index in 0.. {
            let disk = SimDisk::new(Settings::get().seed);
            disk.inject(Fault {
                errno: *errno,
                call: None,
                index,
                from_then_on: false,
            });
            let done = import(&disk, "first", COUNT);
            let is_hit = disk.faults_hit() > 0;
            let when = format!("{errno:?} {index} in {:?}: {done:?}", disk.last_fault());
            disk.heal();
            let disk = disk.power_cut();
            let is_there = is_whole(&disk, "first").unwrap_or_else(|text| panic!("{when}: {text}"));
            assert!(is_there || done.is_err(), "{when}");
            if !is_there {
                import(&disk, "again", COUNT).unwrap_or_else(|error| panic!("{when}: {error}"));
                assert_eq!(is_whole(&disk, "again"), Ok(true), "{when}");
            }
            if !is_hit {
                break;
            }
        }
    }
}
