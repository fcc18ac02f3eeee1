//! Finding out which indexes a log of klevdb has.

use super::Kinds;
use super::index::{Beginning, Comparison};
use super::message::Message;
use super::segment::{Next, Segment};
use super::source::Source;
use crate::failure::Failure;

/// So many messages of a segment are compared with what its index may be.
const MESSAGES_MAX: usize = 64;

/// All that an index may have, the largest items first.
const ALL: [Kinds; 4] = [
    Kinds {
        times: true,
        keys: true,
    },
    Kinds {
        times: false,
        keys: true,
    },
    Kinds {
        times: true,
        keys: false,
    },
    Kinds {
        times: false,
        keys: false,
    },
];

/// The indexes of the log, by the newest index file that tells; none if no file does.
pub(crate) fn kinds_of(source: &Source) -> Result<Kinds, Failure> {
    for base in source.bases.iter().rev() {
        let Some(beginning) = Beginning::open(&source.dir, *base)? else {
            continue;
        };
        if let Some(kinds) = beginning.kinds {
            return Ok(kinds);
        }
        // One of format V1 does not say it, but has items of that size. Of those that are right for
        // as many messages, the largest counts: a smaller one may be its beginning.
        let mut best = (0, Kinds::default());
        for kinds in ALL {
            let right = right_items(source, *base, kinds)?;
            if right > best.0 {
                best = (right, kinds);
            }
        }
        if best.0 > 0 {
            return Ok(best.1);
        }
    }
    Ok(Kinds::default())
}

/// How many items of an index of these kinds are right for the first messages, up to one that is
/// wrong.
fn right_items(source: &Source, base: u64, kinds: Kinds) -> Result<u64, Failure> {
    let Some(beginning) = Beginning::open(&source.dir, base)? else {
        return Ok(0);
    };
    let mut comparison = Comparison::of(beginning.items(kinds))?;
    let mut segment = Segment::open(&source.dir, base)?;
    let mut message = Message::default();
    for _ in 0..MESSAGES_MAX {
        if segment.read(&mut message)? != Next::Message {
            break;
        }
        comparison.see(&message)?;
    }
    Ok(comparison.right)
}
