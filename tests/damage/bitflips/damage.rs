//! What can happen to a file.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::subject::Subject;

/// A file, and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    pub(crate) file: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Flip {
        bit: usize,
    },
    Cut {
        len: usize,
    },
    Replace {
        start: usize,
        bytes: Vec<u8>,
        with: &'static str,
    },
}

const BLOCK: usize = 512;

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Flip { bit } => write!(f, "bit {} of byte {}", bit % 8, bit / 8),
            What::Cut { len } => write!(f, "cut to {len} bytes"),
            What::Replace { start, with, .. } => write!(f, "block at {start} replaced by {with}"),
        }
    }
}

impl What {
    /// The bytes that are not what they were.
    pub(crate) fn range(&self, file_len: usize) -> Range<usize> {
        match self {
            What::Flip { bit } => bit / 8..bit / 8 + 1,
            What::Cut { len } => *len..file_len,
            What::Replace { start, bytes, .. } => *start..start + bytes.len(),
        }
    }

    /// Does it to the file's bytes.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            What::Flip { bit } => bytes[bit / 8] ^= 1 << (bit % 8),
            What::Cut { len } => bytes.truncate(*len),
            What::Replace {
                start, bytes: with, ..
            } => {
                bytes[*start..start + with.len()].copy_from_slice(with);
            }
        }
    }
}

/// Everything that is done to one log, a file at a time. Of bits in space that was never written, and among
/// zeros in the metadata, every `stride`-th is flipped, of all others every one.
pub(crate) fn all(subject: &Subject, stride: usize) -> Vec<Damage> {
    let mut damages = Vec::new();
    for (file, (name, bytes)) in subject.files.iter().enumerate() {
        // Nobody reads the first two, and the others say nothing of what the log holds.
        if ["LOCK", "spare", "bell", "durable"].contains(&name.as_str()) {
            continue;
        }
        let end = subject
            .segment_of(file)
            .map_or(bytes.len(), |segment| segment.end() + 64);
        let is_space = |at: usize| {
            let around = &bytes[at.saturating_sub(32)..(at + 32).min(bytes.len())];
            at >= end || (name.starts_with("meta") && around.iter().all(|byte| *byte == 0))
        };
        let bits = (0..bytes.len() * 8).filter(|bit| bit % stride == 0 || !is_space(bit / 8));
        damages.extend(bits.map(|bit| Damage {
            file,
            what: What::Flip { bit },
        }));
        let lens = (0..bytes.len()).filter(|len| len % stride == 0 || !is_space(*len));
        damages.extend(lens.map(|len| Damage {
            file,
            what: What::Cut { len },
        }));
        damages.extend(blocks(subject, file).map(|what| Damage { file, what }));
    }
    damages
}

/// Blocks lost, and blocks written to the wrong place.
fn blocks(subject: &Subject, file: usize) -> impl Iterator<Item = What> {
    let bytes = &subject.files[file].1;
    let ending = |at: usize| subject.files[at].0.rsplit('.').next().map(str::to_owned);
    let is_kin =
        |at: usize| at != file && (ending(at) == ending(file) || subject.files[file].0.starts_with("meta"));
    let mut found = Vec::new();
    for start in (0..bytes.len()).step_by(BLOCK) {
        let len = BLOCK.min(bytes.len() - start);
        let mut replace = |with: &'static str, from: &[u8]| {
            let differs = from.len() == len && from != &bytes[start..start + len];
            if differs {
                found.push(What::Replace {
                    start,
                    bytes: from.to_vec(),
                    with,
                });
            }
        };
        replace("zeros", &vec![0; len]);
        replace("ones", &vec![0xff; len]);
        for (neighbour, with) in [
            (start.wrapping_sub(BLOCK), "the block before"),
            (start + BLOCK, "the block behind"),
        ] {
            replace(
                with,
                bytes
                    .get(neighbour..neighbour.wrapping_add(len))
                    .unwrap_or_default(),
            );
        }
        for other in (0..subject.files.len()).filter(|other| is_kin(*other)) {
            let same = subject.files[other].1.get(start..start + len);
            replace("the same block of another file", same.unwrap_or_default());
        }
    }
    found.into_iter()
}

/// Damages a file of the subject in place for as long as this is held.
pub(crate) struct Damaged<'a> {
    subject: &'a Subject,
    damage: &'a Damage,
    file: File,
}

impl<'a> Damaged<'a> {
    pub(crate) fn new(subject: &'a Subject, damage: &'a Damage) -> Damaged<'a> {
        let file = OpenOptions::new()
            .write(true)
            .open(subject.path(damage.file))
            .expect("a file");
        let original = &subject.files[damage.file].1;
        match &damage.what {
            What::Cut { len } => file.set_len(*len as u64).expect("a cut"),
            what => {
                let mut bytes = original.clone();
                what.apply(&mut bytes);
                let range = what.range(original.len());
                file.write_all_at(&bytes[range.clone()], range.start as u64)
                    .expect("a write");
            }
        }
        Damaged {
            subject,
            damage,
            file,
        }
    }
}

impl Drop for Damaged<'_> {
    fn drop(&mut self) {
        let original = &self.subject.files[self.damage.file].1;
        let range = self.damage.what.range(original.len());
        self.file
            .write_all_at(&original[range.clone()], range.start as u64)
            .expect("a write");
        debug_assert_eq!(
            fs::read(self.subject.path(self.damage.file)).ok().as_ref(),
            Some(original)
        );
    }
}
