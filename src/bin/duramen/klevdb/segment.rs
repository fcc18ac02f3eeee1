//! Reading one segment, record by record.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use super::file;
use super::format::{HEAD_LEN, HEADER_LEN, Start, Version};
use super::message::Message;
use crate::failure::Failure;

const BUFFER_LEN: usize = 256 << 10;

/// A segment that is read from its front.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
    pub(crate) len: u64,
    file: BufReader<File>,
    /// Where the next record begins.
    pub(crate) position: u64,
    /// Whether the file is too short for a header.
    is_stub: bool,
}

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Message,
    /// The file ends here.
    End,
    /// What begins at this position is not whole.
    Broken(u64),
}

impl Segment {
    /// Opens the segment with the offset `base` in its name.
    pub(crate) fn open(dir: &Path, base: u64) -> Result<Segment, Failure> {
        let path = dir.join(format!("{base:020}.log"));
        let file = Failure::at("open", &path, file::open(&path))?;
        let len = Failure::at("look at", &path, file.metadata())?.len();
        let mut file = BufReader::with_capacity(BUFFER_LEN, file);
        let mut header = [0; HEADER_LEN];
        let is_stub = len < HEADER_LEN as u64;
        let mut version = Version::V1;
        if !is_stub {
            Failure::at("read", &path, file.read_exact(&mut header))?;
            version = match Version::of_segment(header, base) {
                Start::Known(version) => version,
                Start::Unknown(version) => {
                    let version = version.into();
                    return Err(duramen::Error::Version { path, version }.into());
                }
                Start::Damaged => {
                    let what = "this is neither a header of klevdb nor the offset in the file's name";
                    return Err(Failure::damaged(&path, 0, what));
                }
            };
            if version == Version::V1 {
                Failure::at("read", &path, file.rewind())?;
            }
        }
        Ok(Segment {
            path,
            version,
            len,
            file,
            position: version.start(),
            is_stub,
        })
    }

    /// Reads the next record into `message`.
    pub(crate) fn read(&mut self, message: &mut Message) -> Result<Next, Failure> {
        let left = self.len.saturating_sub(self.position);
        if left == 0 {
            return Ok(Next::End);
        }
        let broken = Ok(Next::Broken(self.position));
        if self.is_stub || left < HEAD_LEN as u64 {
            return broken;
        }
        let mut bytes = [0; HEAD_LEN];
        Failure::at("read", &self.path, self.file.read_exact(&mut bytes))?;
        let Some(head) = self.version.head(&bytes) else {
            self.refuse_too_large(&bytes, left)?;
            return broken;
        };
        let rest_len = self.version.rest_len(&head);
        let len = (HEAD_LEN + rest_len) as u64;
        if len > left {
            return broken;
        }
        let file = &mut self.file;
        let read = message.take(&head, self.position, rest_len, |rest| file.read_exact(rest));
        Failure::at("read", &self.path, read)?;
        if !self.version.is_intact(&bytes, &head, message.rest()) {
            return broken;
        }
        self.position += len;
        Ok(Next::Message)
    }

    /// Fails for a record that is whole, and larger than any may be; `left` bytes are left from its
    /// head on.
    fn refuse_too_large(&mut self, bytes: &[u8; HEAD_LEN], left: u64) -> Result<(), Failure> {
        let Some(head) = self.version.too_large_head(bytes) else {
            return Ok(());
        };
        let size = head.body_len();
        if size > left - HEAD_LEN as u64 {
            return Ok(());
        }
        let is_whole = head.is_sum_of(&mut self.file.by_ref().take(size));
        if Failure::at("read", &self.path, is_whole)? {
            return Err(Failure::TooLargeToImport {
                path: self.path.clone(),
                position: self.position,
                size,
            });
        }
        Ok(())
    }
}
