use std::fmt;

use super::content::{Data, PAGE};
use super::image::{Image, Inode};
use super::pending::{Change, Edit, Pending, State};
use super::random::{Random, mix};

/// The size of the pieces that survive independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    /// Whole writes and stores.
    Op,
    /// The parts of them in one page.
    Page,
    /// The parts in one sector.
    Sector,
    /// In the last page changed, the parts in one word of 8 bytes; elsewhere, the parts in one
    /// page.
    Word,
    /// Single bytes at both ends of the n-th last pending change; all other changes as a whole.
    Byte(usize),
}

/// The contents of a page that was never synced, where no write to it survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    Zeros,
    /// Arbitrary bytes.
    Trash,
    /// The current or former bytes of another file.
    Stale,
}

/// All pending changes, split into units. Each unit is kept or lost as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Units {
    files: Vec<(Inode, Vec<Piece>)>,
    names: Vec<Option<usize>>,
    count: usize,
}

/// A part of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    edit: usize,
    from: u64,
    to: u64,
    /// `None` if it is certainly durable or makes no difference.
    unit: Option<usize>,
}

/// More zeros than this are split into few pieces, whatever the grain, because most of them
/// overwrite zeros.
const ZEROS_MAX: u64 = 4 * PAGE;
/// At most this many bytes at each end of a change are separate units.
const BYTES_MAX: u64 = 24;

impl Units {
    pub(super) fn cut(pending: &Pending, grain: Grain, fresh: Fresh) -> Units {
        let mut units = Units {
            files: Vec::new(),
            names: Vec::new(),
            count: 0,
        };
        let last = last_edit(pending, 0);
        let target = if let Grain::Byte(n) = grain {
            last_edit(pending, n)
        } else {
            last
        };
        for (inode, edits) in &pending.edits {
            if !pending.is_reachable(*inode) {
                continue;
            }
            let mut pieces = Vec::new();
            for (index, edit) in edits.iter().enumerate() {
                let certain = edit.state == State::Durable
                    || (fresh == Fresh::Zeros && !changes_anything(pending, *inode, &edits[..=index]));
                let is_target = target == Some(edit.op);
                for (from, to) in cut(edit, edits, grain, is_target) {
                    let unit = (!certain).then_some(units.count);
                    units.count += usize::from(!certain);
                    pieces.push(Piece {
                        edit: index,
                        from,
                        to,
                        unit,
                    });
                }
            }
            units.files.push((*inode, pieces));
        }
        for edit in &pending.names {
            units.names.push((!edit.is_durable()).then_some(units.count));
            units.count += usize::from(!edit.is_durable());
        }
        units
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The units from this one on are changes of names.
    pub(super) fn names_start(&self) -> usize {
        self.names.iter().flatten().next().copied().unwrap_or(self.count)
    }

    /// Builds the medium from its certain contents and the units selected by `kept`.
    pub(super) fn build(&self, pending: &Pending, kept: &[bool], ground: &Image) -> Image {
        let is_kept = |unit: Option<usize>| unit.is_none_or(|unit| kept[unit]);
        let mut image = ground.clone();
        for (inode, pieces) in &self.files {
            let edits = &pending.edits[inode];
            let content = image.file_mut(*inode);
            for piece in pieces.iter().filter(|piece| is_kept(piece.unit)) {
                match &edits[piece.edit].change {
                    Change::Len(len) => content.set_len(*len),
                    Change::Data { position, data } => content.put(*position, data, piece.from, piece.to),
                }
            }
            content.clip();
        }
        for (edit, unit) in pending.names.iter().zip(&self.names) {
            if is_kept(*unit) {
                edit.apply(&mut image);
            }
        }
        image.prune();
        image
    }

    /// Calls `f` for each lost unit with its operation and its part.
    pub(super) fn describe_lost(
        &self,
        pending: &Pending,
        kept: &[bool],
        f: &mut dyn FnMut(usize, &dyn fmt::Display),
    ) {
        let is_lost = |unit: Option<usize>| unit.is_some_and(|unit| !kept[unit]);
        for (inode, pieces) in &self.files {
            for piece in pieces.iter().filter(|piece| is_lost(piece.unit)) {
                let edit = &pending.edits[inode][piece.edit];
                match &edit.change {
                    Change::Len(len) => f(edit.op, &format_args!("length {len}")),
                    Change::Data { position, .. } => {
                        let (from, to) = (position + piece.from, position + piece.to);
                        f(edit.op, &format_args!("bytes {from}..{to}"));
                    }
                }
            }
        }
        for (edit, _) in pending
            .names
            .iter()
            .zip(&self.names)
            .filter(|(_, unit)| is_lost(**unit))
        {
            f(edit.op, &"name");
        }
    }
}

/// The operation that made the `n`-th last pending change of bytes.
fn last_edit(pending: &Pending, n: usize) -> Option<usize> {
    let data = |edit: &&Edit| matches!(edit.change, Change::Data { .. });
    let mut ops: Vec<usize> = pending
        .edits
        .values()
        .flatten()
        .filter(data)
        .map(|edit| edit.op)
        .collect();
    ops.sort_unstable_by(|a, b| b.cmp(a));
    ops.get(n).copied()
}

/// Returns false if the last of `edits` writes zeros where there can only be zeros.
fn changes_anything(pending: &Pending, inode: Inode, edits: &[Edit]) -> bool {
    let Some((last, earlier)) = edits.split_last() else {
        return false;
    };
    let Change::Data {
        position,
        data: Data::Zeros(len),
    } = &last.change
    else {
        return true;
    };
    let (from, to) = (*position, position + len);
    let durable = pending
        .durable
        .files
        .get(&inode)
        .is_none_or(|content| content.is_zero(from, to));
    let others = earlier.iter().any(|edit| match &edit.change {
        Change::Data {
            position,
            data: data @ Data::Bytes(_),
        } => *position < to && from < position + data.len(),
        Change::Data { .. } | Change::Len(_) => false,
    });
    !durable || others
}

/// Splits a change into ranges that survive independently.
fn cut(edit: &Edit, edits: &[Edit], grain: Grain, is_target: bool) -> Vec<(u64, u64)> {
    let Change::Data { position, data } = &edit.change else {
        return vec![(0, 0)];
    };
    let (position, len) = (*position, data.len());
    let zeros = matches!(data, Data::Zeros(_));
    if zeros && len > ZEROS_MAX {
        let step = (len / 4).next_multiple_of(PAGE);
        return ranges(position, len, |at| (at + 1).next_multiple_of(step));
    }
    match grain {
        Grain::Page => ranges(position, len, |at| (at + 1).next_multiple_of(PAGE)),
        Grain::Sector => ranges(position, len, |at| (at + 1).next_multiple_of(512)),
        Grain::Word => {
            let last_page = edits.last().and_then(|edit| match &edit.change {
                Change::Data { position, data } => Some((position + data.len() - 1) / PAGE),
                Change::Len(_) => None,
            });
            let word = if zeros { 512 } else { 8 };
            ranges(position, len, |at| {
                (at + 1).next_multiple_of(if Some(at / PAGE) == last_page { word } else { PAGE })
            })
        }
        Grain::Byte(_) if is_target => ranges(position, len, |at| {
            let at_the_ends = at - position < BYTES_MAX || position + len - at <= BYTES_MAX;
            if at_the_ends {
                at + 1
            } else {
                position + len - BYTES_MAX
            }
        }),
        Grain::Op | Grain::Byte(_) => vec![(0, len)],
    }
}

/// Splits `len` bytes at `position` at borders. `next` returns the border after a position.
fn ranges(position: u64, len: u64, next: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < len {
        let end = (next(position + start) - position).min(len);
        ranges.push((start, end));
        start = end;
    }
    ranges
}

/// Whether any pages were never synced.
pub(super) fn has_fresh(pending: &Pending) -> bool {
    pending
        .edits
        .iter()
        .any(|(inode, _)| !fresh_pages(pending, *inode).is_empty())
}

fn fresh_pages(pending: &Pending, inode: Inode) -> Vec<u64> {
    let durable = pending.durable.files.get(&inode);
    let mut pages = Vec::new();
    for edit in &pending.edits[&inode] {
        let Change::Data { position, data } = &edit.change else {
            continue;
        };
        let touched = position / PAGE..(position + data.len()).div_ceil(PAGE);
        pages.extend(touched.filter(|page| durable.is_none_or(|content| !content.is_placed(*page))));
    }
    pages.sort_unstable();
    pages.dedup();
    pages
}

/// The medium without any of the pending changes.
pub(super) fn ground(pending: &Pending, fresh: Fresh, seed: u64) -> Image {
    let mut image = pending.durable.clone();
    if fresh == Fresh::Zeros {
        return image;
    }
    for inode in pending.edits.keys() {
        for page in fresh_pages(pending, *inode) {
            let seed = mix(mix(seed, u64::from(*inode)), page);
            let bytes = spoiled_page(pending, *inode, fresh, seed);
            image.file_mut(*inode).fill_page(page, &bytes);
        }
    }
    image
}

fn spoiled_page(pending: &Pending, inode: Inode, fresh: Fresh, seed: u64) -> [u8; 4096] {
    let mut random = Random::new(seed);
    let others = pending.durable.files.iter().filter(|(other, _)| **other != inode);
    let stale: Vec<_> = others
        .filter_map(|(_, content)| content.nth_page(random.next()))
        .collect();
    if fresh == Fresh::Stale && !stale.is_empty() {
        return stale[random.below(stale.len())];
    }
    let mut bytes = [0; 4096];
    bytes
        .chunks_exact_mut(8)
        .for_each(|word| word.copy_from_slice(&random.next().to_le_bytes()));
    bytes
}
