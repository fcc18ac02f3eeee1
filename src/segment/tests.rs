use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::directory::Directory;
use crate::format::{
    FRAMES_START, FrameSeeds, IndexKinds, Previous, RecordKind, Salt, SegmentHeader, encode_record,
};
use crate::index::key_hash;
use crate::sys::{Os, Storage};
use crate::{Corruption, Error, NewMessage, Timestamp};

const COUNT: u32 = 100;
const KEYS: u64 = 7;

fn directory(dir: &Path) -> Arc<Directory> {
    let kinds = IndexKinds {
        key: true,
        time: true,
    };
    Arc::new(Directory::new(Os.open_dir(dir).unwrap(), [7; 16], kinds, true))
}

fn key(offset: u64) -> [u8; 1] {
    [u8::try_from(offset % KEYS).unwrap()]
}

/// A segment of [`COUNT`] messages with the base offset 10.
struct Built {
    _dir: TempDir,
    directory: Arc<Directory>,
    active: Arc<Active>,
    link: Previous,
}

impl Built {
    fn new() -> Built {
        let dir = tempfile::tempdir().unwrap();
        let directory = directory(dir.path());
        let header = SegmentHeader {
            log_id: directory.log_id,
            salt: Salt([3; 16]),
            base: 10,
            epoch: 0,
            previous: None,
            durable_base: 10,
            created: 0,
            previous_clock: 0,
            rewrite: None,
            control: crate::control::ControlState::default(),
        };
        let prepared =
            Prepared::create(&directory, capacity_for(1 << 20, 0), FirstReserve::of_frames(0)).unwrap();
        let prepared = prepared.with_header(&directory, &header).unwrap();
        let active = prepared.install(&directory, header, 0).unwrap();
        let (mut position, mut last_checksum) = (FRAMES_START, 0);
        for offset in header.base..header.base + u64::from(COUNT) {
            let mut frame = Vec::new();
            let key = key(offset);
            let message = NewMessage::new(&key, b"value");
            let time = Timestamp::from_micros(1000 + offset.cast_signed());
            let seed = active.seeds.record(offset);
            let kind = RecordKind::Lone { frontier: 0 };
            last_checksum = encode_record(&mut frame, &message, time, seed, kind, false);
            assert!(active.map.store(u64::from(position), &frame));
            active.index_entry(&Entry {
                offset,
                position,
                time: time.as_micros(),
                key_hash: Some(key_hash(&key)),
                is_control: false,
            });
            position += u32::try_from(frame.len()).unwrap();
        }
        active.show(Visible {
            count: COUNT,
            end: position,
        });
        let link = active.link(position, last_checksum);
        Built {
            _dir: dir,
            directory,
            active: Arc::new(active),
            link,
        }
    }

    fn seal(&self) -> Seal {
        Seal {
            len: self.link.len,
            last_checksum: self.link.last_checksum,
        }
    }

    /// The offsets and times that the sealed segment gives.
    fn read(&self, link: Previous) -> crate::Result<Vec<(u64, i64)>> {
        let directory = Arc::clone(&self.directory);
        let sealed = SegmentRef::Sealed(Arc::new(Sealed::new(directory, 10, SegmentEnd::Known(link))));
        sealed.read(&Unlimited, |opened| {
            let mut messages = Vec::new();
            let mut at = 0;
            while at < opened.count() {
                at = opened.messages(at, 16, &mut Owned::new(&mut messages))?;
            }
            let found = messages.iter();
            Ok(found.map(|m| (m.offset, m.time.as_micros())).collect())
        })
    }
}

/// No budget of mappings.
struct Unlimited;

impl Budget for Unlimited {
    fn note_mapped(&self, _: &Arc<Sealed>) {}

    fn releases_for(&self, _: &Error) -> bool {
        false
    }
}

/// Goal: a walk in steps comes by the same records as one at once. Method: steps of every size up
/// to all records.
#[test]
fn a_walk_in_steps_finds_what_a_walk_at_once_does() {
    let built = Built::new();
    let walk = built.active.walk(u64::from(built.link.len), true);
    let mut at_once = Vec::new();
    let extent = walk.run(|entry| at_once.push(*entry));
    assert_eq!((extent.stop, extent.next_offset), (WalkEnd::Limit, 110));
    assert_eq!(at_once.len(), COUNT as usize);
    for step in 1..=at_once.len() {
        let (mut progress, mut in_steps, mut steps) = (walk.begin(), Vec::new(), 0);
        while !walk.resume(&mut progress, step, |entry| in_steps.push(*entry)) {
            steps += 1;
        }
        assert_eq!((progress.extent, &in_steps), (extent, &at_once));
        assert!(steps <= at_once.len().div_ceil(step));
    }
}

#[test]
fn an_index_built_in_steps_is_used_by_readers() {
    let built = Built::new();
    let walk = built.active.walk(u64::from(built.link.len), true);
    let mut index = IndexBuild::begin(&built.directory, &walk);
    while !index.resume(&walk, 9) {}
    index
        .write(&built.directory, &built.active.header, built.seal())
        .unwrap();
    let directory = Arc::clone(&built.directory);
    let sealed = Sealed::new(directory, 10, SegmentEnd::Known(built.link));
    assert!(matches!(sealed.check_index().unwrap(), IndexState::Good(_)));
    let expected: Vec<(u64, i64)> = (10..110)
        .map(|offset: u64| (offset, 1000 + offset.cast_signed()))
        .collect();
    assert_eq!(built.read(built.link).unwrap(), expected);
}

/// Goal: damage is found, not read. Method: one byte of the 40th record is changed in the file.
#[test]
fn a_damaged_record_is_where_the_walk_and_the_reader_stop() {
    let built = Built::new();
    let position = built.active.index.position(40).unwrap();
    assert!(built.active.map.store(u64::from(position) + 26, &[0xff]));
    let extent = built.active.walk(u64::from(built.link.len), true).run(|_| {});
    let expected = WalkEnd::Defect {
        position: u64::from(position),
        offset: 50,
        kind: Corruption::Record,
    };
    assert_eq!(extent.stop, expected);
    let read = built.read(built.link);
    assert!(
        matches!(read, Err(Error::Corrupt { offset: Some(50), .. })),
        "{read:?}"
    );
}

/// A rewrite of the segment with the records whose offsets are even, each made by `frame`; what
/// readers find of it.
fn rewritten(built: &Built, salt: Salt, frame: impl Fn(u64, &mut Vec<u8>)) -> crate::Result<Vec<(u64, i64)>> {
    let header = SegmentHeader {
        salt,
        ..built.active.header
    };
    let mut rewriter = Rewriter::create(&built.directory, header)?;
    let snapshot = SegmentSnapshot::Active {
        active: &built.active,
        visible: built.active.visible(),
    };
    let mut bytes = Vec::new();
    for offset in (10..110).step_by(2) {
        let ordinal = u32::try_from(offset - 10).unwrap();
        snapshot.frame(ordinal, offset, &mut bytes).unwrap();
        frame(offset, &mut bytes);
        rewriter.push(&bytes, offset, &FrameSeeds::new(built.active.header.salt))?;
    }
    rewriter.finish(1, built.link, 110)?;
    rewriter.install()?;
    built.read(built.link)
}

#[test]
fn a_rewritten_segment_has_the_records_that_were_pushed() {
    let even: Vec<(u64, i64)> = (10..110)
        .step_by(2)
        .map(|offset: u64| (offset, 1000 + offset.cast_signed()))
        .collect();
    for salt in [3, 4] {
        let built = Built::new();
        assert_eq!(rewritten(&built, Salt([salt; 16]), |_, _| {}).unwrap(), even);
    }
}

/// Goal: copying a damaged record never makes it look whole. Method: a record is damaged between
/// reading and pushing, with the salt of its segment and with another, for which the checksum is
/// moved.
#[test]
fn copying_does_not_make_damage_good() {
    for salt in [3, 4] {
        let built = Built::new();
        let damage = |offset, frame: &mut Vec<u8>| {
            if offset == 60
                && let Some(last) = frame.last_mut()
            {
                *last ^= 1;
            }
        };
        let read = rewritten(&built, Salt([salt; 16]), damage);
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
    }
}

#[test]
fn a_segment_is_not_synced_after_a_sync_of_the_log_failed() {
    let built = Built::new();
    built.active.sync(&built.directory).unwrap();
    built.directory.health.poison(&Error::SyncFailed {
        path: "another".into(),
        source: io::Error::other("lost"),
    });
    let synced = built.active.sync(&built.directory);
    assert!(matches!(synced, Err(Error::SyncFailed { path, .. }) if path == Path::new("another")));
    assert!(matches!(copy_over(&built.directory, 10, 200), Err(Error::Closed)));
}
