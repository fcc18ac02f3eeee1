//! Every call into the file system fails, once or from then on, under each step: what was refused has not happened,
//! what succeeded has, and of what is not known there is all or nothing.

use std::path::Path;

use duramen::fault::{Call, Errno, Fault, SimDisk};
use duramen::{Error, ErrorKind, FileLog, Log, Options, Start};

use super::copies::{self, COPY};
use super::model::{DIR, State, compare, options, told};
use super::work::{Attempt, Run, Step};
use crate::oracle::without_panic;
use crate::verdict::{Verdict, ensure};

/// What is done while nothing fails, and the step under which it does.
const CASES: [(&[Step], Step); 17] = [
    (&[], Step::Create("d")),
    (&[], Step::Delete("a")),
    (&[Step::Delete("a")], Step::Create("a")),
    (&[], Step::Reconfigure("a")),
    (&[], Step::Publish("a", 0)),
    (&[Step::Pause("c", 0)], Step::Publish("c", 0)),
    (&[], Step::Seal("c", 0)),
    (&[Step::Seal("c", 0)], Step::Unseal("c", 0)),
    (&[], Step::Pause("c", 0)),
    (&[], Step::Atomic),
    (&[Step::Atomic], Step::Atomic),
    (&[Step::AtomicInOne, Step::Reopen], Step::AtomicInOne),
    (&[Step::AtomicInOne], Step::Close),
    (&[Step::Atomic], Step::Backup),
    (
        &[Step::Backup, Step::Publish("a", 0), Step::Delete("b")],
        Step::Backup,
    ),
    (&[Step::Backup, Step::Atomic, Step::Reopen], Step::Backup),
    (&[Step::Atomic, Step::Backup], Step::Restore),
];

#[test]
fn each_call_fails_under_each_step() {
    let mut tried = 0;
    for (before, step) in CASES {
        for errno in [Errno::Eio, Errno::Enospc] {
            for from_then_on in [false, true] {
                let mut index = 0;
                loop {
                    let fault = Fault {
                        errno,
                        call: None,
                        index,
                        from_then_on,
                    };
                    let name = format!("{before:?}, {step:?}: {fault:?}");
                    let hit = without_panic(|| fails(before, step, fault))
                        .unwrap_or_else(|text| panic!("{name}: {text}"));
                    if !hit {
                        break;
                    }
                    (index, tried) = (index + 1, tried + 1);
                }
            }
        }
    }
    println!("{tried} faults");
    assert!(tried > 1000, "{tried}");
}

/// Returns whether a call has failed.
fn fails(before: &[Step], step: Step, fault: Fault) -> Verdict<bool> {
    let mut run = Run::new(1).map_err(|error| told(&error))?;
    for step in before {
        run.step(*step).map_err(|error| told(&error))?;
    }
    run.disk.inject(fault);
    let Attempt {
        done,
        before,
        between,
        after,
        copies: [copies_before, copies_after],
    } = run.attempt(step);
    let hit = run.disk.faults_hit() > 0;
    run.disk.heal();
    let may_be: Vec<&State> = match &done {
        Ok(()) => vec![&after],
        // It is in the catalog, and what is left of it is done when the store is opened.
        Err(_)
            if matches!(
                step,
                Step::Delete(_) | Step::Seal(..) | Step::Pause(..) | Step::Unseal(..)
            ) =>
        {
            vec![&before, &after]
        }
        Err(error) if is_refusal(error) => std::iter::once(&before).chain(&between).collect(),
        Err(_) => std::iter::once(&before).chain(&between).chain([&after]).collect(),
    };
    // The process dies, or it goes on and closes the store.
    let killed = run.disk.kill();
    holds(&killed, &may_be).map_err(|text| format!("killed, {done:?}: {text}"))?;
    let closed = run.close();
    holds(&run.disk, &may_be).map_err(|text| format!("{closed:?}, {done:?}: {text}"))?;
    let (copies, making) = match &done {
        Ok(()) => (vec![&copies_after], None),
        Err(_) => (vec![&copies_before, &copies_after], Some(step)),
    };
    let store = options(&run.disk).open(DIR).map_err(|error| told(&error))?;
    copies::hold(&run.disk, &store, &copies, making)
        .map_err(|text| format!("{closed:?}, {done:?}: {text}"))?;
    Ok(hit)
}

/// Whether the error says that nothing was written.
fn is_refusal(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Unusable)
}

fn holds(disk: &SimDisk, may_be: &[&State]) -> Verdict<()> {
    let store = options(disk)
        .open(DIR)
        .map_err(|error| format!("open: {}", told(&error)))?;
    let texts: Vec<_> = may_be
        .iter()
        .map(|state| compare(&store, state, true))
        .filter_map(Result::err)
        .collect();
    ensure!(texts.len() < may_be.len(), "{}", texts.join("; "));
    Ok(())
}

/// Goal: a partition goes on after a failed sync, with all that was acknowledged. Method: the sync of a publish fails,
/// and then nothing does.
#[test]
fn a_partition_goes_on_after_a_failed_sync() {
    let mut run = Run::new(1).expect("a store");
    run.disk.inject(Fault {
        errno: Errno::Eio,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: false,
    });
    let failed = run.attempt(Step::Publish("a", 0)).done;
    assert!(matches!(failed, Err(Error::SyncFailed { .. })), "{failed:?}");
    let Attempt { done, after, .. } = run.attempt(Step::Publish("a", 0));
    done.expect("the partition was opened again");
    run.close().expect("closed");
    // What failed may be there, too.
    let store = options(&run.disk).open(DIR).expect("opened");
    let log = store
        .stream("a")
        .and_then(|stream| stream.partition(0))
        .expect("there");
    let found = log.consume(Start::Oldest, 10).expect("read").messages;
    let last = &after["a"].partitions[0].messages.last().expect("a message").text;
    assert!(found.len() >= 2, "{found:?}");
    assert_eq!(found[found.len() - 1].value.as_deref(), Some(last.as_bytes()));
}

/// Goal: a partition that is owed a part goes on, too. Method: each sync of an atomic publish fails, and then nothing
/// does. Streams that are made are used: a catalog whose sync has failed refuses changes until the store is opened.
#[test]
fn partitions_go_on_after_a_failed_atomic_publish() {
    let (mut index, mut unconfirmed) = (0, 0);
    loop {
        let mut run = Run::new(1).expect("a store");
        run.step(Step::Atomic).expect("published");
        run.disk.inject(Fault {
            errno: Errno::Eio,
            call: Some(Call::Sync),
            index,
            from_then_on: false,
        });
        let failed = run.attempt(Step::Atomic).done;
        if run.disk.faults_hit() == 0 {
            assert!(unconfirmed > 0, "a part has failed");
            return;
        }
        unconfirmed += usize::from(matches!(failed, Err(Error::Unconfirmed { .. })));
        for step in [
            Step::Publish("a", 0),
            Step::Publish("b", 0),
            Step::Publish("c", 1),
            Step::Atomic,
        ] {
            // The first call may be the one that finds a log poisoned, and has it opened again.
            let _ = run.attempt(step).done;
            let done = run.attempt(step).done;
            assert!(done.is_ok(), "sync {index}: {failed:?}, then {step:?}: {done:?}");
        }
        index += 1;
    }
}

/// Goal: a part that the system has refused is in a backup, or the backup fails and is known as unfinished. Method:
/// each call under an atomic publish fails; then the partitions that this has closed are in use by somebody else.
#[test]
fn a_backup_has_a_part_that_is_owed_or_fails() {
    let (mut index, mut refused) = (0, 0);
    loop {
        let mut run = Run::new(1).expect("a store");
        run.step(Step::Atomic).expect("published");
        run.disk.inject(Fault {
            errno: Errno::Eio,
            call: None,
            index,
            from_then_on: false,
        });
        let Attempt {
            done, before, after, ..
        } = run.attempt(Step::Atomic);
        if run.disk.faults_hit() == 0 {
            assert!(refused > 0, "no part was owed by a partition that was in use");
            return;
        }
        run.disk.heal();
        let name = format!("call {index}, {done:?}");
        if matches!(done, Err(Error::Unconfirmed { .. })) {
            let in_use = ["a", "b", "c"].map(|stream| in_use(&run, stream));
            let backed_up = run.store().backup(Path::new(COPY));
            if let Err(error) = backed_up {
                assert!(matches!(error, Error::Locked { .. }), "{name}: {error:?}");
                let opened = options(&run.disk).open(COPY);
                assert!(
                    matches!(opened, Err(Error::Unfinished { .. })),
                    "{name}: {opened:?}"
                );
                refused += 1;
            }
            drop(in_use);
        }
        run.store().backup(Path::new(COPY)).expect("a backup");
        let copy = options(&run.disk).open(COPY).expect("opened");
        let is_whole = [&before, &after]
            .into_iter()
            .any(|state| compare(&copy, state, true).is_ok());
        assert!(is_whole, "{name}: half of it is there");
        let is_unconfirmed = matches!(done, Err(Error::Unconfirmed { .. }));
        assert!(!is_unconfirmed || compare(&copy, &after, true).is_ok(), "{name}");
        index += 1;
    }
}

/// Opens the last partition of a stream, unless the store has it open.
fn in_use(run: &Run, name: &str) -> Option<FileLog> {
    let stream = run.store().stream(name).expect("there");
    let (id, last) = (
        stream.id().expect("an id"),
        stream.partitions().expect("some") - 1,
    );
    let log = Options::new().background(false).storage(&run.disk);
    log.open(format!("{DIR}/streams/{id}/{last}")).ok()
}
