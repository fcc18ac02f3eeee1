//! Which of the segment files count.

use super::*;

#[test]
fn what_an_interrupted_backup_added_does_not_count() {
    let mut dir = Dir::new();
    let last = dir.segment(0, 3, 0, Tail::Torn);
    dir.segment(3, 2, 0, Tail::Nothing);
    let chain = dir.chain(|meta| {
        meta.clean = Some(CleanEnd { last: Some(last) });
        meta.unfinished = true;
    });
    assert_eq!((&chain.bases[..], &chain.superseded[..]), (&[0][..], &[3][..]));
    let found = closed(&chain, &Options::new());
    assert_eq!(found.excess, Some((0, u64::from(last.len))));
    // Unless the end that it names is missing: then nothing is known of it.
    std::fs::remove_file(dir.path(0)).unwrap();
    let bases = segment_bases(&chain.directory.dir).unwrap();
    let chain = Chain::new(chain.directory, chain.copies, chain.meta, bases).unwrap();
    assert_eq!((&chain.bases[..], chain.superseded.len()), (&[3][..], 0));
}

/// Goal: after a trim of everything, a file that could not be removed, or that came back, does not
/// keep the log from opening.
#[test]
fn a_closed_log_without_segments_has_trimmed_all_that_are_there() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    dir.segment(3, 3, 0, Tail::Nothing);
    let clean = |meta: &mut Meta| {
        meta.clean = Some(CleanEnd { last: None });
        (meta.start_offset, meta.next_offset) = (6, 6);
    };
    let chain = dir.chain(clean);
    assert_eq!((&chain.bases[..], &chain.superseded[..]), (&[][..], &[0, 3][..]));
    assert_eq!(closed(&chain, &Options::new()).next_offset, 6);
    // A segment at the end is none of those.
    dir.segment(6, 1, 0, Tail::Nothing);
    assert_eq!(dir.chain(clean).bases, [6]);
}

#[test]
fn trimmed_and_merged_segments_do_not_count() {
    let mut dir = Dir::new();
    dir.segment(0, 3, 0, Tail::Nothing);
    dir.segment(3, 3, 0, Tail::Nothing);
    dir.rewritten(6, link(9), 12);
    dir.segment(9, 3, 0, Tail::Nothing);
    dir.segment(12, 3, 0, Tail::Nothing);
    let chain = dir.chain(|meta| {
        meta.start_offset = 4;
        meta.merge = Some((6, 12));
    });
    assert_eq!(chain.bases, [3, 6, 12]);
    assert_eq!(chain.superseded, [9, 0]);
}
