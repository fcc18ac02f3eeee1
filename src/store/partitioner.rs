//! Which partition a message goes to.

use std::fmt;
use std::sync::Arc;

use crate::NewMessage;

/// Chooses the partition that a message goes to.
///
/// ```
/// use duramen::NewMessage;
/// use duramen::store::Partitioner;
///
/// let last = Partitioner::custom(|_message, partitions| partitions - 1);
/// # let _ = last;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Partitioner {
    /// By the CRC-32 (IEEE) of the key, modulo the number of partitions, as Liftbridge does. No key
    /// counts as an empty one. So all messages of a key are in one partition, in order.
    Key,
    /// One after the other, from partition 0 on. All handles of the process share the turn, which
    /// is not stored.
    RoundRobin,
    /// This one.
    To(u32),
    /// The answer of a function, which is given the message and the number of partitions. An answer
    /// that is no partition fails the publish with [`Error::Invalid`](crate::Error::Invalid).
    Custom(Arc<Choose>),
}

/// A function that chooses a partition.
type Choose = dyn Fn(&NewMessage<'_>, u32) -> u32 + Send + Sync;

impl Partitioner {
    /// A function of your own.
    pub fn custom(choose: impl Fn(&NewMessage<'_>, u32) -> u32 + Send + Sync + 'static) -> Partitioner {
        Partitioner::Custom(Arc::new(choose))
    }
}

impl fmt::Debug for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Partitioner::Key => f.write_str("Key"),
            Partitioner::RoundRobin => f.write_str("RoundRobin"),
            Partitioner::To(partition) => f.debug_tuple("To").field(partition).finish(),
            Partitioner::Custom(_) => f.write_str("Custom"),
        }
    }
}

/// The partition of a key, by the hash with the id [`CRC_32`].
pub(super) fn of_key(key: Option<&[u8]>, partitions: u32) -> u32 {
    crc32fast::hash(key.unwrap_or_default()) % partitions
}

/// The id under which a stream stores that its keys are spread by CRC-32/IEEE.
pub(super) const CRC_32: u32 = 1;

/// The partitions of a stream that a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partitions {
    /// All of them.
    All,
    /// These.
    These(Vec<u32>),
}

impl From<u32> for Partitions {
    fn from(partition: u32) -> Partitions {
        Partitions::These(vec![partition])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: keys are where Liftbridge has them. Method: known checksums.
    #[test]
    fn keys_go_by_their_crc_32() {
        for (key, sum) in [("key", 0x8a90_aba9_u32), ("user-7", 0x9745_e321)] {
            for partitions in [1, 3, 7, 1024] {
                assert_eq!(of_key(Some(key.as_bytes()), partitions), sum % partitions);
            }
        }
        assert_eq!(of_key(None, 5), of_key(Some(b""), 5));
    }
}
