//! The lives of a log: which there were, and from which offset on each may differ from the one
//! before.

use super::bytes::{array, u64_at};
use crate::types::LifeId;

/// So many of the newest lives are kept.
pub(crate) const LIVES_MAX: usize = 64;

/// Bytes of one life in the metadata.
pub(super) const LIFE_LEN: usize = 24;

/// One life of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) id: LifeId,
    /// Below this offset, this life has the messages of the one before. From here on they may
    /// differ.
    pub(crate) begin: u64,
}

/// The newest lives of a log. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lives {
    /// Oldest first, and never with descending `begin`.
    known: Vec<Life>,
    /// How many lives came before the current one.
    epoch: u64,
}

impl Lives {
    /// The history of a log of which only the current life is known.
    pub(crate) fn new(current: Life, epoch: u64) -> Lives {
        Lives {
            known: vec![current],
            epoch,
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The current life.
    pub(crate) fn current(&self) -> Life {
        let nobody = Life {
            id: LifeId::from_bytes([0; 16]),
            begin: 0,
        };
        self.known.last().copied().unwrap_or(nobody)
    }

    /// Begins a life at the offset `begin`: from there on, its messages may be others than those of
    /// the lives before. This may be in front of where the current life began: then nothing is left
    /// of what only that one had.
    pub(crate) fn begin(&mut self, id: LifeId, begin: u64) {
        for life in &mut self.known {
            life.begin = life.begin.min(begin);
        }
        if self.known.len() >= LIVES_MAX {
            self.known.drain(..=self.known.len() - LIVES_MAX);
        }
        self.known.push(Life { id, begin });
        self.epoch = self.epoch.saturating_add(1);
    }

    /// The life in which the message with this offset was published, or will be.
    pub(crate) fn life_at(&self, offset: u64) -> LifeId {
        let began = self.known.iter().rfind(|life| life.begin <= offset);
        began
            .or(self.known.first())
            .map_or(self.current().id, |life| life.id)
    }

    /// The offset up to which the messages of a life are those of this log: where the next life
    /// began. `u64::MAX` for the current life, `None` for a life that is not known.
    pub(crate) fn common_with(&self, id: LifeId) -> Option<u64> {
        let at = self.known.iter().rposition(|life| life.id == id)?;
        Some(self.known.get(at + 1).map_or(u64::MAX, |next| next.begin))
    }

    /// Whether a log with this history and the next offset `ours_next` has had every message that a
    /// log with the history `theirs` has below its next offset `theirs_next`.
    pub(crate) fn contain(&self, ours_next: u64, theirs: &Lives, theirs_next: u64) -> bool {
        // Lives in which nothing was published do not count.
        theirs_next == 0
            || self
                .common_with(theirs.life_at(theirs_next - 1))
                .is_some_and(|common| theirs_next <= common.min(ours_next))
    }

    /// What goes into the metadata: each life, oldest first.
    pub(super) fn encode(&self) -> Vec<u8> {
        let encode = |life: &Life| {
            let begin = life.begin.to_le_bytes();
            life.id.to_bytes().into_iter().chain(begin)
        };
        let mut bytes: Vec<u8> = self.known.iter().flat_map(encode).collect();
        bytes.resize(LIVES_MAX * LIFE_LEN, 0);
        bytes
    }

    /// The history of `count` lives at the front of `bytes`, if it can be that of a log with this
    /// next offset.
    pub(super) fn decode(bytes: &[u8], count: u32, epoch: u64, next_offset: u64) -> Option<Lives> {
        let count = usize::try_from(count)
            .ok()
            .filter(|count| (1..=LIVES_MAX).contains(count))?;
        let mut known: Vec<Life> = Vec::with_capacity(count);
        for at in (0..count).map(|index| index * LIFE_LEN) {
            let life = Life {
                id: LifeId::from_bytes(array(bytes, at)?),
                begin: u64_at(bytes, at + 16)?,
            };
            let is_ordered = known.last().is_none_or(|last| last.begin <= life.begin);
            if !is_ordered || life.begin > next_offset {
                return None;
            }
            known.push(life);
        }
        Some(Lives { known, epoch })
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.known.len()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> LifeId {
        LifeId::from_bytes([number; 16])
    }

    /// Life 0 from offset 0 on, life 1 from the first of `begins` on, and so on.
    fn history(begins: &[u64]) -> Lives {
        let mut lives = Lives::new(Life { id: id(0), begin: 0 }, 0);
        for (number, begin) in (1..).zip(begins) {
            lives.begin(id(number), *begin);
        }
        lives
    }

    #[test]
    fn a_life_is_common_up_to_where_the_next_one_began() {
        let lives = history(&[500, 800]);
        let common = [0, 1, 2, 3].map(|number| lives.common_with(id(number)));
        assert_eq!(common, [Some(500), Some(800), Some(u64::MAX), None]);
        assert_eq!((lives.current().id, lives.epoch()), (id(2), 2));
    }

    #[test]
    fn a_life_that_begins_in_front_of_others_leaves_nothing_of_them() {
        let lives = history(&[500, 300]);
        let common = [0, 1, 2].map(|number| lives.common_with(id(number)));
        assert_eq!(common, [Some(300), Some(300), Some(u64::MAX)]);
        assert_eq!(lives.life_at(299), id(0));
        assert_eq!(lives.life_at(300), id(2));
    }

    #[test]
    fn an_offset_belongs_to_the_life_in_which_it_was_given_out() {
        let lives = history(&[500, 500, 800]);
        let found = [0, 499, 500, 799, 800, u64::MAX].map(|offset| lives.life_at(offset));
        assert_eq!(found, [id(0), id(0), id(2), id(2), id(3), id(3)]);
    }

    #[test]
    fn the_oldest_lives_are_forgotten() {
        let begins: Vec<u64> = (1..=100).collect();
        let lives = history(&begins);
        assert_eq!(lives.epoch(), 100);
        assert_eq!(lives.common_with(id(36)), None);
        assert_eq!(lives.common_with(id(37)), Some(38));
        assert_eq!(lives.life_at(5), id(37));
    }

    #[test]
    fn a_history_contains_another_that_it_has_all_messages_of() {
        let base = history(&[]);
        let grown = history(&[500]);
        // An earlier copy, of the same life.
        assert!(base.contain(700, &base, 500) && base.contain(700, &base, 700));
        assert!(!base.contain(700, &base, 701), "it is behind");
        // A copy from before or from behind the place where they parted.
        assert!(grown.contain(700, &base, 500));
        assert!(!grown.contain(700, &base, 501), "it lost its end");
        assert!(!base.contain(700, &grown, 501), "the other has a life of its own");
        assert!(base.contain(700, &grown, 500), "in which there is nothing yet");
        assert!(base.contain(0, &grown, 0));
        // Two that parted at the same place.
        let mut other = history(&[]);
        other.begin(id(9), 500);
        assert!(!grown.contain(700, &other, 600) && !other.contain(700, &grown, 600));
    }
}
