//! Comparing the index of a segment with its messages.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use super::Kinds;
use super::file;
use super::format::{HEADER_LEN, Item, OFFSET_MAX, Version, key_hash};
use super::message::Message;
use crate::failure::Failure;

/// The items of an index file.
pub(crate) struct Items {
    pub(crate) path: PathBuf,
    pub(crate) kinds: Kinds,
    file: BufReader<File>,
    position: u64,
}

/// The beginning of an index file.
pub(crate) struct Beginning {
    path: PathBuf,
    file: BufReader<File>,
    version: Version,
    /// The indexes that it says to have. In format V1 it says nothing.
    pub(crate) kinds: Option<Kinds>,
}

impl Beginning {
    /// Opens the index of the segment with this offset in its name; `None` if there is none that
    /// says anything.
    pub(crate) fn open(dir: &Path, base: u64) -> Result<Option<Beginning>, Failure> {
        let path = dir.join(format!("{base:020}.index"));
        let mut file = match file::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::path("open", &path, error)),
        };
        let mut header = [0; HEADER_LEN];
        match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Failure::path("read", &path, error)),
        }
        let Some((version, kinds)) = Version::of_index(header, base) else {
            return Ok(None);
        };
        if version == Version::V1 {
            Failure::at("read", &path, file.rewind())?;
        }
        Ok(Some(Beginning {
            path,
            file,
            version,
            kinds,
        }))
    }

    /// The items of an index that has these kinds.
    pub(crate) fn items(self, kinds: Kinds) -> Items {
        Items {
            path: self.path,
            kinds,
            file: self.file,
            position: self.version.start(),
        }
    }
}

impl Items {
    /// The next item, and its position in the file; `None` at the end, also within an item.
    fn next(&mut self) -> Result<Option<(u64, Item)>, Failure> {
        let mut bytes = [0; 32];
        let Some(bytes) = bytes.get_mut(..self.kinds.item_len()) else {
            return Ok(None);
        };
        match self.file.read_exact(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Failure::path("read", &self.path, error)),
        }
        let at = self.position;
        self.position += bytes.len() as u64;
        Ok(Some((at, self.kinds.item(bytes))))
    }
}

/// What an index says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The index has the message.
    Has,
    /// It lacks the message, but has others behind it.
    Skips,
    /// Nothing in it is about the message or what is behind it.
    Ends,
    /// It cannot be relied on, or there is none.
    Nothing,
}

/// Compares an index with the messages, as they are read.
pub(crate) struct Comparison {
    items: Items,
    next: Option<(u64, Item)>,
    latest: Option<i64>,
    /// The first position at which it says something else than the messages.
    pub(crate) contradicts_at: Option<u64>,
    /// Items that are right.
    pub(crate) right: u64,
    /// Messages that are not in it, although later ones may be.
    pub(crate) skipped: u64,
    /// Messages behind all that are in it.
    pub(crate) behind_it: u64,
}

impl Comparison {
    pub(crate) fn of(mut items: Items) -> Result<Comparison, Failure> {
        Ok(Comparison {
            next: items.next()?,
            items,
            latest: None,
            contradicts_at: None,
            right: 0,
            skipped: 0,
            behind_it: 0,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.items.path
    }

    /// Compares the next message.
    pub(crate) fn see(&mut self, message: &Message) -> Result<Said, Failure> {
        if self.contradicts_at.is_some() {
            return Ok(Said::Nothing);
        }
        let Some((at, item)) = self.next else {
            self.behind_it += 1;
            return Ok(Said::Ends);
        };
        if item.position > message.position {
            self.skipped += 1;
            return Ok(Said::Skips);
        }
        let kinds = self.items.kinds;
        // A segment may begin with the latest time of the one before it.
        let is_time = match self.latest {
            Some(latest) => item.time == message.time.max(latest),
            None => item.time >= message.time,
        };
        let is_right = item.position == message.position
            && item.offset == message.offset
            && (!kinds.times || is_time)
            && (!kinds.keys || item.key_hash == key_hash(message.key()));
        self.latest = Some(item.time);
        self.next = self.items.next()?;
        if is_right {
            self.right += 1;
            return Ok(Said::Has);
        }
        self.contradicts_at = Some(at);
        Ok(Said::Nothing)
    }

    /// At the end of the messages, which is at `end` in the segment: where the index has more of
    /// them, and the offset behind those. They have the offset `next` or higher ones, and both
    /// offsets and positions go up. Other items contradict the messages, but for zeros.
    pub(crate) fn more(&mut self, end: u64, next: u64) -> Result<Option<(u64, u64)>, Failure> {
        let mut more = None;
        let (mut end, mut next) = (end, next);
        while let Some((at, item)) = self.next {
            if (next..=OFFSET_MAX).contains(&item.offset) && item.position >= end {
                (end, next) = (item.position + 1, item.offset + 1);
                more = Some((more.map_or(at, |(first, _)| first), next));
            } else if item != Item::default() {
                self.contradicts_at.get_or_insert(at);
            }
            self.next = self.items.next()?;
        }
        Ok(more)
    }
}
