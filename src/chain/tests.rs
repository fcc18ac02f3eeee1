mod names;

use std::path::PathBuf;
use std::sync::Arc;

use super::torn_tail::Defect;
use super::*;
use crate::directory::{Copies, Directory, corrupt, initialise, offset_bound};
use crate::format::{
    BatchHeader, CleanEnd, FileName, FrameSeeds, IndexKinds, Life, Lives, META_NAMES, Meta, Previous,
    RecordKind, Rewrite, SEGMENT_HEADER_LEN, Salt, SegmentHeader, encode_record,
};
use crate::segment::{SegmentRef, Witness};
use crate::sys::{FileId, Os, Storage};
use crate::{Corruption, Error, LifeId, NewMessage, Options, Result, Timestamp};

const LOG_ID: [u8; 16] = [1; 16];

/// A link to a segment that is not there.
fn link(base: u64) -> Previous {
    Previous {
        base,
        len: 300,
        last_checksum: 4,
    }
}

/// The bytes behind the messages of a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Nothing,
    /// A marker: all bytes in front of it are durable.
    Marker,
    /// Bytes that are no batch.
    Torn,
    /// Bytes that are no batch, and behind them a marker.
    Damaged,
}

/// The directory of a log, put together by hand.
struct Dir {
    dir: tempfile::TempDir,
    /// How the next segment knows the one before it.
    previous: Option<Previous>,
}

impl Dir {
    fn new() -> Dir {
        Dir {
            dir: tempfile::tempdir().unwrap(),
            previous: None,
        }
    }

    fn path(&self, base: u64) -> PathBuf {
        self.dir.path().join(FileName::Segment(base).to_string())
    }

    fn header(&self, base: u64) -> SegmentHeader {
        SegmentHeader {
            log_id: LOG_ID,
            salt: Salt([u8::try_from(base).unwrap(); 16]),
            base,
            epoch: 0,
            previous: self.previous,
            durable_base: 0,
            created: 0,
            previous_clock: 0,
            rewrite: None,
            control: crate::control::ControlState::default(),
        }
    }

    /// Adds a segment with `count` messages, each in a batch that carries the frontier `frontier`.
    fn segment(&mut self, base: u64, count: u64, frontier: u32, tail: Tail) -> Previous {
        let header = self.header(base);
        let mut bytes = header.encode().to_vec();
        let mut last_checksum = u32::from_le_bytes(*bytes.last_chunk().unwrap());
        let seeds = FrameSeeds::new(header.salt);
        for offset in base..base + count {
            let message = NewMessage::value(b"12345678");
            let time = Timestamp::from_micros(5);
            last_checksum = encode_record(
                &mut bytes,
                &message,
                time,
                seeds.record(offset),
                RecordKind::Lone { frontier },
                false,
            );
        }
        let link = Previous {
            base,
            len: u32::try_from(bytes.len()).unwrap(),
            last_checksum,
        };
        if matches!(tail, Tail::Torn | Tail::Damaged) {
            bytes.extend([0xa5; 40]);
        }
        if matches!(tail, Tail::Marker | Tail::Damaged) {
            let marker = BatchHeader {
                checksum: 0,
                count: 0,
                len: 0,
                first: u32::try_from(count).unwrap(),
                frontier: u32::try_from(bytes.len()).unwrap(),
                has_producer: false,
            };
            let seed = seeds.batch(bytes.len() as u64);
            bytes.extend(marker.encode(seed));
        }
        std::fs::write(self.path(base), bytes).unwrap();
        self.previous = Some(link);
        link
    }

    /// Adds a rewritten segment without messages, which others know as `origin`.
    fn rewritten(&mut self, base: u64, origin: Previous, end: u64) {
        let header = SegmentHeader {
            rewrite: Some(Rewrite {
                generation: 1,
                origin,
                end,
                len: u32::try_from(SEGMENT_HEADER_LEN).unwrap(),
                last_checksum: 0,
            }),
            ..self.header(base)
        };
        std::fs::write(self.path(base), header.encode()).unwrap();
        self.previous = Some(origin);
    }

    fn chain(&self, change: impl FnOnce(&mut Meta)) -> Chain {
        let life = Life {
            id: LifeId::from_bytes([1; 16]),
            begin: 0,
        };
        let mut meta = Meta {
            log_id: LOG_ID,
            sequence: 1,
            start_offset: 0,
            next_offset: 0,
            key_index: false,
            time_index: false,
            visible_is_durable: true,
            has_gaps: false,
            unfinished: false,
            incomplete: false,
            boot: [0; 16],
            lock: FileId::default(),
            lives: Lives::new(life, 0),
            merge: None,
            clean: None,
            control: (0, crate::control::ControlState::default()),
        };
        change(&mut meta);
        let opened = Os.open_dir(self.dir.path()).unwrap();
        initialise(&opened, &meta).unwrap();
        let kinds = IndexKinds {
            key: false,
            time: false,
        };
        let directory = Directory::new(opened.clone(), LOG_ID, kinds, true);
        let bases = segment_bases(&opened).unwrap();
        let copies = Copies::read(&opened).unwrap();
        Chain::new(Arc::new(directory), copies, meta, bases).unwrap()
    }

    fn closed(&self, last: Previous) -> Chain {
        self.chain(|meta| meta.clean = Some(CleanEnd { last: Some(last) }))
    }

    fn error(&self, base: u64, position: u64, kind: Corruption) -> String {
        let error: Result<()> = Err(corrupt(&self.path(base), position, None, kind));
        told(error.map(drop))
    }
}

fn told<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(Error::Corrupt {
            path, position, kind, ..
        }) => format!("{} at {position}: {kind:?}", path.display()),
        Err(error) => error.to_string(),
    }
}

fn unclosed(chain: &Chain, options: &Options) -> Unclosed {
    match chain.verdict(options).unwrap() {
        Verdict::Unclosed(found) => found,
        Verdict::Closed(closed) => panic!("{closed:?}"),
    }
}

fn closed(chain: &Chain, options: &Options) -> Closed {
    match chain.verdict(options).unwrap() {
        Verdict::Closed(closed) => closed,
        Verdict::Unclosed(_) => panic!("the log was not closed"),
    }
}

fn bases(segments: &[SegmentRef]) -> Vec<u64> {
    segments.iter().map(SegmentRef::base).collect()
}

#[test]
fn of_a_closed_log_only_the_last_header_is_read() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    let last = dir.segment(3, 2, 0, Tail::Nothing);
    // Neither the other segments nor the frames of this one are read.
    std::fs::write(dir.path(0), b"damaged").unwrap();
    let mut bytes = std::fs::read(dir.path(3)).unwrap();
    bytes[200] ^= 1;
    std::fs::write(dir.path(3), bytes).unwrap();
    let chain = dir.closed(last);
    let found = closed(&chain, &Options::new());
    assert_eq!((found.last, found.excess), (Some(last), None));
    assert_eq!(bases(&chain.closed_segments(&found)), [0, 3]);
    // They are read if the options ask for a check.
    let checked = chain.verdict(&Options::new().check(true));
    assert_eq!(told(checked.map(drop)), dir.error(3, 192, Corruption::Record));
}

#[test]
fn a_closed_log_that_is_not_as_it_was_is_refused_or_looked_at_anew() {
    let mut dir = Dir::new();
    let first = dir.segment(0, 3, 0, Tail::Nothing);
    let last = dir.segment(3, 2, 0, Tail::Torn);
    let end = u64::from(last.len);
    let refused = |chain: &Chain| told(chain.verdict(&Options::new()).map(drop));
    assert_eq!(
        refused(&dir.closed(last)),
        dir.error(3, end, Corruption::Trailing)
    );
    let found = unclosed(&dir.closed(last), &Options::new().recover(true));
    assert_eq!(found.cut_at.map(|cut_at| cut_at.at), Some(1));
    assert_eq!(refused(&dir.closed(first)), dir.error(3, 0, Corruption::Foreign));
    let later = Previous { base: 9, ..last };
    assert_eq!(refused(&dir.closed(later)), dir.error(9, 0, Corruption::Missing));
    let empty = dir.chain(|meta| meta.clean = Some(CleanEnd { last: None }));
    assert_eq!(refused(&empty), dir.error(3, 0, Corruption::Foreign));
    std::fs::write(dir.path(3), &std::fs::read(dir.path(3)).unwrap()[..150]).unwrap();
    assert_eq!(refused(&dir.closed(last)), dir.error(3, 150, Corruption::Short));
}

#[test]
fn the_verdict_walks_back_to_the_first_segment_that_proves_those_before_it() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    let second = dir.segment(3, 3, 192, Tail::Nothing);
    dir.segment(6, 2, 0, Tail::Torn);
    let found = unclosed(&dir.chain(|_| ()), &Options::new());
    assert_eq!(bases(&found.sealed), [0]);
    let walked: Vec<_> = found.walked.iter().map(Walked::base).collect();
    assert_eq!(walked, [3, 6]);
    let told = found.walked[0].told.unwrap();
    assert_eq!((told.origin, told.witness), (second, Witness::Successor));
    assert_eq!(found.walked[1].told, None);
    // Nothing says that the bytes behind the last batch were ever durable.
    let cut_at = found.cut_at.unwrap();
    assert_eq!((cut_at.at, cut_at.is_durable), (1, false));
    assert_eq!((found.reached(), found.is_lossy()), (8, false));
    // The second segment is proven up to its first frame, the third not at all.
    assert_eq!(found.walked[0].durable_offset(), 3);
    assert_eq!(found.walked[1].durable_offset(), 6);
}

#[test]
fn a_marker_proves_a_segment_durable_up_to_its_end() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    let last = dir.segment(3, 2, 192, Tail::Marker);
    let found = unclosed(&dir.chain(|_| ()), &Options::new());
    assert_eq!((bases(&found.sealed), found.cut_at), (vec![0], None));
    let walked = &found.walked[0];
    assert!(walked.is_proven() && walked.is_untouched().unwrap());
    assert_eq!(walked.durable_offset(), 5);
    let own = walked.own_end().unwrap();
    assert_eq!((own.origin, own.witness), (last, Witness::Frames));
}

#[test]
fn damage_below_what_was_durable_is_an_error_unless_it_was_asked_to_go_on() {
    let mut dir = Dir::new();
    let link = dir.segment(0, 3, 192, Tail::Damaged);
    let end = u64::from(link.len);
    let chain = dir.chain(|_| ());
    let refused = chain.verdict(&Options::new()).map(drop);
    assert_eq!(told(refused), dir.error(0, end, Corruption::Batch));
    let mut found = unclosed(&chain, &Options::new().recover(true));
    assert!(found.is_lossy() && found.cut_at.unwrap().is_durable);
    assert_eq!(found.next_offset_min, offset_bound(0));
    assert!(found.take_behind_cut().is_empty());
    assert_eq!(found.reached(), 3);
}

#[test]
fn a_segment_shorter_than_the_one_behind_it_says_cuts_the_log() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    dir.segment(3, 2, 0, Tail::Nothing);
    let bytes = std::fs::read(dir.path(0)).unwrap();
    std::fs::write(dir.path(0), &bytes[..bytes.len() - 5]).unwrap();
    let mut found = unclosed(&dir.chain(|_| ()), &Options::new());
    assert_eq!(
        found.cut_at.map(|cut_at| (cut_at.at, cut_at.is_durable)),
        Some((0, false))
    );
    let behind: Vec<_> = found.take_behind_cut().iter().map(Walked::base).collect();
    assert_eq!((behind, found.reached()), (vec![3], 2));
    // A batch of the second segment that knows the first to be durable proves it.
    dir.previous = None;
    let link = dir.segment(0, 3, 0, Tail::Nothing);
    dir.segment(3, 2, 192, Tail::Nothing);
    let bytes = std::fs::read(dir.path(0)).unwrap();
    std::fs::write(dir.path(0), &bytes[..bytes.len() - 5]).unwrap();
    // The first segment need not even be walked through.
    let found = unclosed(&dir.chain(|_| ()), &Options::new());
    assert_eq!((bases(&found.sealed), found.cut_at), (vec![0], None));
    let chain = dir.chain(|_| ());
    let mut survey = chain.survey();
    assert_eq!(survey.walk(3).unwrap().defect, None);
    let first = survey.walk(0).unwrap();
    assert_eq!(first.walked.told.map(|told| told.origin), Some(link));
    let defect = first.defect.unwrap();
    assert_eq!((defect.offset, defect.kind), (Some(2), Corruption::Record));
}

#[test]
fn behind_a_rewritten_segment_nothing_is_walked_through() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    let origin = link(3);
    dir.rewritten(3, origin, 9);
    let found = unclosed(&dir.chain(|_| ()), &Options::new());
    assert_eq!((bases(&found.sealed), found.walked.len()), (vec![0, 3], 0));
    assert_eq!((found.rewritten.unwrap().origin, found.reached()), (origin, 9));
}

#[test]
fn a_segment_that_was_durable_and_is_missing_is_an_error_unless_it_was_asked_to_go_on() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    let last = dir.segment(3, 2, 0, Tail::Nothing);
    std::fs::remove_file(dir.path(3)).unwrap();
    let mut chain = dir.closed(last);
    // One copy says that the log was closed, the other is gone.
    std::fs::remove_file(dir.dir.path().join(META_NAMES[1])).unwrap();
    chain.copies = Copies::read(&chain.directory.dir).unwrap();
    assert_eq!(chain.missing_last().unwrap(), Some(3));
    let refused = chain.verdict(&Options::new()).map(drop);
    assert_eq!(told(refused), dir.error(3, 0, Corruption::Missing));
    let found = unclosed(&chain, &Options::new().recover(true));
    assert_eq!((found.missing, found.cut_at), (Some(3), None));
    assert!(found.is_lossy() && found.next_offset_min == offset_bound(3));
    assert!(!chain.has_gone_on().unwrap());
}

#[test]
fn the_survey_tells_a_segment_that_others_do_not_mean() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    let wrong = Previous {
        base: 1,
        len: 200,
        last_checksum: 0,
    };
    dir.previous = Some(wrong);
    let last = dir.segment(3, 2, 0, Tail::Torn);
    let chain = dir.closed(last);
    let mut survey = chain.survey();
    let newest = survey.walk(3).unwrap();
    assert_eq!((newest.is_other, newest.defect), (false, None));
    assert_eq!(newest.excess_from, Some(u64::from(last.len)));
    let oldest = survey.walk(0).unwrap();
    assert!(oldest.is_other && oldest.walked.told.is_none());
    // The first segment says that there is none in front of it.
    assert_eq!(said_by(Some(&oldest.walked.active.header)), Testimony::NoSegment);
    assert_eq!(said_by(None), Testimony::Nobody);
}

#[test]
fn a_segment_is_known_by_the_one_behind_it_by_the_metadata_or_by_itself() {
    let mut dir = Dir::new();
    let first = dir.segment(0, 3, 0, Tail::Nothing);
    let last = dir.segment(3, 2, 0, Tail::Nothing);
    let chain = dir.closed(last);
    let header = |base| chain.directory.header(base).unwrap().unwrap();
    let ending = |base, next| chain.ending_of(&header(base), next).unwrap();
    assert_eq!(ending(0, Some(3)).map(|ending| ending.origin), Some(first));
    let witness = ending(3, None).map(|ending| ending.witness);
    assert_eq!(witness, Some(Witness::Metadata));
    assert_eq!(ending(0, None), None);
    let origin = Previous { len: 250, ..last };
    dir.previous = Some(first);
    dir.rewritten(3, origin, 5);
    let rewritten = chain.ending_of(&header(3), None).unwrap().unwrap();
    assert_eq!((rewritten.origin, rewritten.witness), (origin, Witness::Itself));
}

#[test]
fn a_copy_that_does_not_end_where_it_should_has_a_flaw() {
    let mut dir = Dir::new();
    let link = dir.segment(0, 3, 0, Tail::Nothing);
    let chain = dir.chain(|_| ());
    let flaw = |link| flaw_in(&chain.directory, 0, Testimony::Successor(link)).unwrap();
    assert_eq!(flaw(link), None);
    let longer = Previous {
        len: link.len + 20,
        ..link
    };
    let expected = Defect {
        position: u64::from(link.len),
        offset: None,
        kind: Corruption::Foreign,
    };
    assert_eq!(flaw(longer), Some(expected));
}
