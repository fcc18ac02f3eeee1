//! Groups: threads that share the partitions of a stream.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use duramen::store::{Group, GroupMessage, Member, Partitions, Store, Stream};
use duramen::{Error, Result};

use crate::support::{Home, publish, with_stream};

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

/// A stream of four partitions with three messages each.
fn stream() -> (Home, Store, Stream) {
    let (home, store, stream) = with_stream(4);
    for turn in 0..12 {
        publish(&stream, turn % 4, "v").expect("published");
    }
    (home, store, stream)
}

fn shares(group: &Group) -> Vec<(String, Vec<u32>)> {
    group.members()
}

/// All messages that are there for a member, each said to be done.
fn take_all(member: &mut Member) -> Result<Vec<(u32, u64)>> {
    let mut taken = Vec::new();
    while let Some(next) = member.next(Some(SOON))? {
        taken.push((next.partition, next.message.offset));
        member.done(&next)?;
    }
    taken.sort_unstable();
    Ok(taken)
}

fn of(partitions: &[u32]) -> Vec<(u32, u64)> {
    let offsets = |number: &u32| (0..3).map(|offset| (*number, offset)).collect::<Vec<_>>();
    partitions.iter().flat_map(offsets).collect()
}

fn next(member: &mut Member) -> Result<GroupMessage> {
    Ok(member.next(Some(LONG))?.expect("a message"))
}

#[test]
fn the_first_member_has_all_partitions_and_others_their_share() -> Result<()> {
    let (_home, _store, stream) = stream();
    let group = stream.group("g")?;
    let mut one = group.join("one")?;
    assert_eq!(shares(&group), [("one".to_owned(), vec![0, 1, 2, 3])]);
    let mut two = group.join("two")?;
    assert_eq!(
        shares(&group),
        [("one".to_owned(), vec![0, 1]), ("two".to_owned(), vec![2, 3])]
    );
    assert_eq!(take_all(&mut one)?, of(&[0, 1]));
    assert_eq!(take_all(&mut two)?, of(&[2, 3]));
    assert_eq!(one.id(), "one");
    Ok(())
}

#[test]
fn a_member_that_leaves_hands_over_at_once() -> Result<()> {
    let (_home, _store, stream) = stream();
    let group = stream.group("g")?;
    let (mut one, mut two) = (group.join("one")?, group.join("two")?);
    let done = next(&mut one)?;
    one.done(&done)?;
    // Given out, and not done.
    let open = next(&mut one)?;
    let waiting = thread::spawn(move || {
        let taken = take_all(&mut two)?;
        // It waits for what comes to it.
        let begun = Instant::now();
        let more = next(&mut two)?;
        Ok::<_, Error>((taken, more, begun.elapsed(), two))
    });
    thread::sleep(SOON * 4);
    one.close();
    let (taken, more, waited, mut two) = waiting.join().expect("no panic")?;
    assert_eq!(taken, of(&[2, 3]));
    assert!(waited < LONG / 2);
    two.done(&more)?;
    let mut rest = take_all(&mut two)?;
    rest.push((more.partition, more.message.offset));
    rest.sort_unstable();
    let mut expected = of(&[0, 1]);
    expected.retain(|place| *place != (done.partition, done.message.offset));
    assert_eq!(rest, expected);
    assert!(
        rest.contains(&(open.partition, open.message.offset)),
        "given again"
    );
    Ok(())
}

#[test]
fn who_is_late_has_lost_the_lease() -> Result<()> {
    let (_home, store, stream) = stream();
    let group = stream.group("g")?;
    let mut one = group.join("one")?;
    let messages: Vec<_> = (0..12).map(|_| next(&mut one).expect("a message")).collect();
    let mut two = group.join("two")?;
    let of_two: BTreeSet<_> = group.members()[1].1.iter().copied().collect();
    for message in &messages {
        let done = one.done(message);
        if of_two.contains(&message.partition) {
            let offset = message.message.offset;
            assert!(
                matches!(done, Err(Error::LeaseLost { offset: of }) if of == offset),
                "{done:?}"
            );
        } else {
            done?;
        }
    }
    let again = take_all(&mut two)?;
    assert_eq!(again, of(&of_two.into_iter().collect::<Vec<_>>()));
    for number in 0..4 {
        assert_eq!(store.cursors().lag("g", "s", number)?, Some(0));
    }
    let lease = messages[0].lease;
    assert!(
        messages
            .iter()
            .all(|message| message.lease != 0 && message.lease.abs_diff(lease) < 4)
    );
    Ok(())
}

#[test]
fn what_a_member_keeps_goes_on_where_it_was() -> Result<()> {
    let (_home, _store, stream) = stream();
    let group = stream.group("g")?;
    let mut one = group.join("one")?;
    // Read, and none of it done.
    let read: Vec<_> = (0..4).map(|_| next(&mut one).expect("a message")).collect();
    let mut two = group.join("two")?;
    let kept: BTreeSet<_> = group.members()[0].1.iter().copied().collect();
    let mut seen: Vec<_> = read
        .iter()
        .filter(|message| kept.contains(&message.partition))
        .map(|message| (message.partition, message.message.offset))
        .collect();
    seen.extend(take_all(&mut one)?);
    seen.sort_unstable();
    assert_eq!(seen, of(&kept.into_iter().collect::<Vec<_>>()), "each once");
    take_all(&mut two)?;
    Ok(())
}

#[test]
fn a_group_goes_on_where_it_was_when_the_store_is_opened_again() -> Result<()> {
    let (home, store, stream) = stream();
    let mut one = stream.group("g")?.join("one")?;
    let mut taken = BTreeSet::new();
    for _ in 0..5 {
        let message = next(&mut one)?;
        one.done(&message)?;
        taken.insert((message.partition, message.message.offset));
    }
    drop((one, stream));
    store.close()?;
    let store = home.open();
    let mut one = store.stream("s")?.group("g")?.join("one")?;
    for place in take_all(&mut one)? {
        assert!(taken.insert(place), "{place:?} comes again");
    }
    assert_eq!(taken.len(), 12);
    // Another group has places of its own.
    let mut other = store.stream("s")?.group("h")?.join("one")?;
    assert_eq!(take_all(&mut other)?.len(), 12);
    Ok(())
}

#[test]
fn members_have_different_ids_and_may_be_more_than_partitions() -> Result<()> {
    let (_home, _store, stream) = stream();
    let group = stream.group("g")?;
    let mut members: Vec<_> = (0..6)
        .map(|number| group.join(&number.to_string()).expect("joined"))
        .collect();
    assert!(matches!(group.join("3"), Err(Error::Invalid(_))));
    let idle: Vec<_> = group
        .members()
        .into_iter()
        .filter(|(_, share)| share.is_empty())
        .collect();
    assert_eq!(idle.len(), 2);
    let idle: usize = idle[0].0.parse().expect("a number");
    assert_eq!(members[idle].next(Some(SOON))?, None);
    members.clear();
    assert_eq!(group.members(), []);
    assert_eq!(take_all(&mut group.join("3")?)?.len(), 12);
    Ok(())
}

#[test]
fn a_member_that_has_left_reads_nothing() -> Result<()> {
    let (_home, _store, stream) = stream();
    let mut one = stream.group("g")?.join("one")?;
    let message = next(&mut one)?;
    one.close();
    one.close();
    assert!(matches!(one.next(Some(SOON)), Err(Error::CursorClosed)));
    assert!(matches!(one.done(&message), Err(Error::LeaseLost { .. })));
    Ok(())
}

#[test]
fn a_sealed_stream_ends() -> Result<()> {
    let (_home, _store, stream) = stream();
    let mut one = stream.group("g")?.join("one")?;
    stream.seal(&Partitions::All)?;
    for _ in 0..12 {
        let message = next(&mut one)?;
        one.done(&message)?;
    }
    assert!(matches!(one.next(None), Err(Error::Sealed)));
    Ok(())
}

#[test]
fn a_cursor_of_another_stream_of_the_name_is_told_by_the_member() -> Result<()> {
    let (_home, store, stream) = stream();
    take_all(&mut stream.group("g")?.join("one")?)?;
    store.delete("s")?;
    crate::support::until_purged(&store, "s");
    store.create("s", &crate::support::plain())?;
    let stream = store.stream("s")?;
    publish(&stream, 0, "v")?;
    let mut one = stream.group("g")?.join("one")?;
    for _ in 0..2 {
        assert!(matches!(one.next(Some(SOON)), Err(Error::EpochChanged { .. })));
    }
    store.cursors().reset("g", "s", 0, 0)?;
    assert_eq!(take_all(&mut one)?, [(0, 0)]);
    Ok(())
}

/// Members come and go, and messages too. Each is done, in the order of its partition.
#[test]
fn every_message_is_done_whoever_comes_and_goes() -> Result<()> {
    let (_home, _store, stream) = with_stream(4);
    let group = stream.group("g")?;
    let done = Mutex::new(BTreeSet::new());
    let work = &|id: String, count: usize| -> Result<()> {
        let mut member = group.join(&id)?;
        for _ in 0..count {
            let Some(message) = member.next(Some(Duration::from_millis(100)))? else {
                return Ok(());
            };
            match member.done(&message) {
                Ok(()) => drop(
                    done.lock()
                        .expect("whole")
                        .insert((message.partition, message.message.offset)),
                ),
                Err(Error::LeaseLost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                scope.spawn(move || (0..30).try_for_each(|round| work(format!("{worker}.{round}"), 20)))
            })
            .collect();
        for turn in 0..1000 {
            publish(&stream, turn % 4, "v").expect("published");
        }
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    let mut last = group.join("last")?;
    for place in take_all(&mut last)? {
        done.lock().expect("whole").insert(place);
    }
    assert_eq!(done.lock().expect("whole").len(), 1000);
    Ok(())
}
