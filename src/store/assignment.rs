//! Which member of a group has which partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The members of a group, each with its partitions. They differ by one partition at most.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    members: BTreeMap<Arc<str>, BTreeSet<u32>>,
}

impl Assignment {
    /// A member joins: the first one gets all of `partitions`, and others their share of those who
    /// have the most. Returns what has moved; `None` if there is one of this id.
    pub(super) fn join(&mut self, id: &Arc<str>, partitions: u32) -> Option<Vec<u32>> {
        if self.members.contains_key(id) {
            return None;
        }
        if self.members.is_empty() {
            self.members.insert(Arc::clone(id), (0..partitions).collect());
            return Some((0..partitions).collect());
        }
        self.members.insert(Arc::clone(id), BTreeSet::new());
        let mut moved = Vec::new();
        while let Some(number) = self.take_from_most(self.count(id) + 1) {
            self.give(number);
            moved.push(number);
        }
        Some(moved)
    }

    /// A member leaves: each of its partitions goes to the member with the fewest, of several to
    /// the first by id. Returns them.
    pub(super) fn leave(&mut self, id: &str) -> Vec<u32> {
        let freed = self.members.remove(id).unwrap_or_default();
        for number in &freed {
            self.give(*number);
        }
        freed.into_iter().collect()
    }

    /// The members, each with its partitions.
    pub(super) fn shares(&self) -> impl Iterator<Item = (&str, &BTreeSet<u32>)> {
        self.members.iter().map(|(id, share)| (id.as_ref(), share))
    }

    /// The partitions of a member.
    pub(super) fn of(&self, id: &str) -> BTreeSet<u32> {
        self.members.get(id).cloned().unwrap_or_default()
    }

    fn count(&self, id: &str) -> usize {
        self.members.get(id).map_or(0, BTreeSet::len)
    }

    /// Takes a partition from the member with the most, if it has more than `most`.
    fn take_from_most(&mut self, most: usize) -> Option<u32> {
        let members = self.members.values_mut();
        let richest = members.max_by_key(|partitions| partitions.len())?;
        (richest.len() > most).then(|| richest.pop_last()).flatten()
    }

    /// Gives a partition to the member with the fewest, if there is any.
    fn give(&mut self, number: u32) {
        let members = self.members.values_mut();
        if let Some(poorest) = members.min_by_key(|partitions| partitions.len()) {
            poorest.insert(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(assignment: &mut Assignment, id: &str, partitions: u32) -> Vec<u32> {
        assignment.join(&id.into(), partitions).expect("a new member")
    }

    fn shares(assignment: &Assignment) -> Vec<Vec<u32>> {
        let shares = assignment.members.values();
        shares.map(|share| share.iter().copied().collect()).collect()
    }

    #[test]
    fn the_first_has_all_and_others_get_their_share() {
        let mut all = Assignment::default();
        assert_eq!(join(&mut all, "b", 5), [0, 1, 2, 3, 4]);
        assert_eq!(join(&mut all, "a", 5), [4, 3]);
        assert_eq!(shares(&all), [vec![3, 4], vec![0, 1, 2]]);
        assert_eq!(join(&mut all, "c", 5), [2]);
        assert_eq!(shares(&all), [vec![3, 4], vec![0, 1], vec![2]]);
        assert!(all.join(&"c".into(), 5).is_none());
    }

    #[test]
    fn what_a_member_leaves_goes_to_those_with_the_fewest_and_of_them_the_first() {
        let mut all = Assignment::default();
        for id in ["a", "b", "c"] {
            join(&mut all, id, 6);
        }
        assert_eq!(shares(&all), [vec![0, 1], vec![3, 4], vec![2, 5]]);
        assert_eq!(all.leave("b"), [3, 4]);
        assert_eq!(shares(&all), [vec![0, 1, 3], vec![2, 4, 5]]);
        all.leave("a");
        assert_eq!(shares(&all), [vec![0, 1, 2, 3, 4, 5]]);
        assert_eq!(all.leave("c").len(), 6);
        assert!(all.leave("c").is_empty());
    }

    #[test]
    fn shares_differ_by_one_at_most_whoever_comes_and_goes() {
        let mut all = Assignment::default();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let id = random.u32(0..9).to_string();
            if all.join(&id.as_str().into(), 16).is_none() {
                all.leave(&id);
            }
            let counts: Vec<_> = all.members.values().map(BTreeSet::len).collect();
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{counts:?}");
            let total: usize = counts.iter().sum();
            assert_eq!(total, if counts.is_empty() { 0 } else { 16 });
        }
    }
}
