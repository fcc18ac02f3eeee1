use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::content::{Content, Data};
use super::image::{Image, Inode};
use super::op::{Op, Outcome};

/// The changes that are certainly on the medium, and those that may be, at one point of the log of
/// operations.
///
/// 1. Bytes written before a successful sync are durable.
/// 2. Of all other changes, any part may be durable: any piece of any write or store, any length
///    that the file has had, and any name. If two durable changes contradict each other, the later
///    one wins.
/// 3. The changes that a failed sync covered stay pending for ever, whatever later syncs report,
///    unless they are written again.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    pub(super) durable: Image,
    pub(super) edits: BTreeMap<Inode, Vec<Edit>>,
    pub(super) names: Vec<NameEdit>,
    /// Files whose changes are all lost from now on.
    broken: BTreeSet<Inode>,
}

/// A change to a file, with the operation that made it.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) op: usize,
    pub(super) change: Change,
    pub(super) state: State,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Len(u64),
    Data { position: u64, data: Data },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The next sync covers it.
    Dirty,
    /// A sync that covered it has failed, so no later sync covers it.
    Forsaken,
    /// It is certainly durable, but an older pending change has to be applied before it.
    Durable,
}

/// A change of names, which is durable as a whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct NameEdit {
    pub(super) op: usize,
    links: Vec<(Inode, String, Option<Inode>)>,
    /// The directories that still have to be synced.
    unsynced: BTreeSet<Inode>,
}

impl Pending {
    pub(super) fn after(base: &Image, ops: &[Op]) -> Pending {
        let mut pending = Pending {
            durable: base.clone(),
            ..Pending::default()
        };
        for (index, op) in ops.iter().enumerate() {
            pending.advance(index, op);
        }
        pending
    }

    fn advance(&mut self, index: usize, op: &Op) {
        match op {
            Op::CreateDir { dir, name, inode } => {
                self.durable.dirs.insert(*inode, Arc::default());
                self.name(index, vec![(*dir, name.clone(), Some(*inode))]);
            }
            Op::Create { dir, name, inode } => {
                self.durable.files.insert(*inode, Arc::default());
                self.name(index, vec![(*dir, name.clone(), Some(*inode))]);
            }
            Op::Rename {
                from_dir,
                from,
                to_dir,
                to,
                inode,
                atomic,
            } => {
                let (from, to) = ((*from_dir, from.clone()), (*to_dir, to.clone()));
                let replaced = (to.0, to.1.clone(), None);
                let links = [(from.0, from.1, None), replaced, (to.0, to.1, Some(*inode))];
                // A rename that is not atomic counts as one change for each link.
                let at_once = if *atomic { links.len() } else { 1 };
                for some in links.chunks(at_once) {
                    self.name(index, some.to_vec());
                }
            }
            Op::Unlink { dir, name } => self.name(index, vec![(*dir, name.clone(), None)]),
            Op::Write {
                inode,
                position,
                data,
                grows,
            } => {
                if let Some(len) = grows {
                    self.edit(index, *inode, Change::Len(*len));
                }
                self.edit(
                    index,
                    *inode,
                    Change::Data {
                        position: *position,
                        data: data.clone(),
                    },
                );
            }
            Op::Store {
                inode,
                position,
                data,
            } => {
                self.edit(
                    index,
                    *inode,
                    Change::Data {
                        position: *position,
                        data: data.clone(),
                    },
                );
            }
            Op::SetLen { inode, len } => self.edit(index, *inode, Change::Len(*len)),
            Op::Sync { inode, outcome } => self.sync(*inode, *outcome),
            Op::SyncDir { dir, outcome } => self.sync_dir(*dir, *outcome),
            Op::Note(_) => {}
        }
    }

    fn edit(&mut self, op: usize, inode: Inode, change: Change) {
        self.edits.entry(inode).or_default().push(Edit {
            op,
            change,
            state: State::Dirty,
        });
    }

    fn name(&mut self, op: usize, links: Vec<(Inode, String, Option<Inode>)>) {
        let unsynced = links.iter().map(|(dir, ..)| *dir).collect();
        self.names.push(NameEdit { op, links, unsynced });
    }

    fn sync(&mut self, inode: Inode, outcome: Outcome) {
        if outcome == Outcome::FailedForGood {
            self.broken.insert(inode);
        }
        let is_broken = self.broken.contains(&inode);
        let Some(edits) = self.edits.get_mut(&inode) else {
            return;
        };
        let last = edits
            .iter()
            .rposition(|edit| matches!(edit.change, Change::Data { .. }));
        for (index, edit) in edits
            .iter_mut()
            .enumerate()
            .filter(|(_, edit)| edit.state == State::Dirty)
        {
            edit.state = match outcome {
                Outcome::Lied => State::Dirty,
                Outcome::Failed | Outcome::FailedForGood => State::Forsaken,
                _ if is_broken => State::Forsaken,
                Outcome::ButLength if matches!(edit.change, Change::Len(_)) => State::Dirty,
                Outcome::ButLast if Some(index) == last => State::Dirty,
                Outcome::Durable | Outcome::ButLength | Outcome::ButLast => State::Durable,
            };
        }
        let settled = edits
            .iter()
            .take_while(|edit| edit.state == State::Durable)
            .count();
        let content = self.durable.file_mut(inode);
        edits.drain(..settled).for_each(|edit| edit.change.apply(content));
        if edits.is_empty() {
            self.edits.remove(&inode);
        }
    }

    /// A failed sync of a directory leaves its names to the next sync. File systems that keep names
    /// in a journal either retry or refuse everything from then on.
    fn sync_dir(&mut self, dir: Inode, outcome: Outcome) {
        if outcome != Outcome::Durable {
            return;
        }
        self.names.iter_mut().for_each(|edit| {
            edit.unsynced.remove(&dir);
        });
        let settled = self.names.iter().take_while(|edit| edit.is_durable()).count();
        let settled: Vec<NameEdit> = self.names.drain(..settled).collect();
        for edit in &settled {
            edit.apply(&mut self.durable);
        }
    }

    /// The image with only those changes that are certainly on the medium.
    pub(super) fn certain(&self) -> Image {
        let mut image = self.with(|state| state == State::Durable);
        self.names
            .iter()
            .filter(|edit| edit.is_durable())
            .for_each(|edit| edit.apply(&mut image));
        image.prune();
        image
    }

    /// The image that processes see after the system has dropped all pages that it believes to be
    /// on the medium.
    pub(super) fn without_forsaken(&self) -> Image {
        let mut image = self.with(|state| state != State::Forsaken);
        self.names.iter().for_each(|edit| edit.apply(&mut image));
        image
    }

    fn with(&self, is_kept: impl Fn(State) -> bool) -> Image {
        let mut image = self.durable.clone();
        for (inode, edits) in &self.edits {
            let content = image.file_mut(*inode);
            let kept = edits.iter().filter(|edit| is_kept(edit.state));
            kept.for_each(|edit| edit.change.apply(content));
            content.clip();
        }
        image
    }

    /// Whether the file has or may have a name.
    pub(super) fn is_reachable(&self, inode: Inode) -> bool {
        let durable = self
            .durable
            .dirs
            .values()
            .any(|names| names.values().any(|other| *other == inode));
        let links = self.names.iter().flat_map(|edit| &edit.links);
        durable || links.filter_map(|(.., other)| *other).any(|other| other == inode)
    }
}

impl Change {
    pub(super) fn apply(&self, content: &mut Content) {
        match self {
            Change::Len(len) => content.set_len(*len),
            Change::Data { position, data } => content.put(*position, data, 0, data.len()),
        }
    }
}

impl NameEdit {
    pub(super) fn is_durable(&self) -> bool {
        self.unsynced.is_empty()
    }

    pub(super) fn apply(&self, image: &mut Image) {
        for (dir, name, inode) in &self.links {
            image.link(*dir, name, *inode);
        }
    }
}
