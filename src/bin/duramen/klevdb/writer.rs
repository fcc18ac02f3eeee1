//! Writing the segments of a log of klevdb, and their indexes.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Kinds;
use super::format::{Item, Version, key_hash};
use crate::failure::Failure;

/// Writes segment after segment. Each is durable, but for its name, before the next one is begun.
pub(crate) struct Writer {
    dir: PathBuf,
    version: Version,
    kinds: Kinds,
    /// A segment is left behind when it is larger than this.
    segment_size: u64,
    segment: Option<Open>,
    /// The latest time of a message in the segment, as its index has it.
    latest: i64,
    buffer: Vec<u8>,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

struct Open {
    log: Stored,
    index: Stored,
}

/// A file that is being written.
struct Stored {
    path: PathBuf,
    file: BufWriter<File>,
    len: u64,
}

impl Writer {
    pub(crate) fn new(dir: &Path, version: Version, kinds: Kinds, segment_size: u64) -> Writer {
        Writer {
            dir: dir.to_owned(),
            version,
            kinds,
            segment_size,
            segment: None,
            latest: 0,
            buffer: Vec::new(),
            segments: 0,
            bytes: 0,
        }
    }

    /// Writes a message. Offsets go up.
    pub(crate) fn push(&mut self, offset: u64, time: i64, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let mut open = match self.segment.take() {
            Some(open) if open.log.len <= self.segment_size => open,
            left => {
                self.segment = left;
                self.begin(offset)?
            }
        };
        self.latest = self.latest.max(time);
        let item = Item {
            offset,
            position: open.log.len,
            time: self.latest,
            key_hash: key_hash(key),
        };
        self.buffer.clear();
        self.version
            .put_record(&mut self.buffer, offset, time, key, value);
        open.log.write(&self.buffer)?;
        self.buffer.clear();
        self.kinds.put_item(&mut self.buffer, &item);
        open.index.write(&self.buffer)?;
        self.segment = Some(open);
        Ok(())
    }

    /// Ends the log, of which the last message is in front of the offset `next`. With `is_behind`,
    /// offsets in between were given out, too: the name of an empty segment keeps that.
    pub(crate) fn finish(&mut self, next: u64, is_behind: bool) -> Result<(), Failure> {
        if is_behind {
            self.segment = Some(self.begin(next)?);
        }
        self.seal()
    }

    fn begin(&mut self, base: u64) -> Result<Open, Failure> {
        self.seal()?;
        self.segments += 1;
        // What klevdb verifies a segment with knows none of the times in front of it.
        self.latest = 0;
        let log = Stored::create(
            self.dir.join(format!("{base:020}.log")),
            &self.version.segment_header(),
        )?;
        let header = self.version.index_header(self.kinds);
        let index = Stored::create(self.dir.join(format!("{base:020}.index")), &header)?;
        Ok(Open { log, index })
    }

    fn seal(&mut self) -> Result<(), Failure> {
        if let Some(Open { log, index }) = self.segment.take() {
            self.bytes += log.finish()? + index.finish()?;
        }
        Ok(())
    }
}

impl Stored {
    fn create(path: PathBuf, header: &[u8]) -> Result<Stored, Failure> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let file = Failure::at("create", &path, file)?;
        let mut stored = Stored {
            path,
            file: BufWriter::with_capacity(256 << 10, file),
            len: 0,
        };
        stored.write(header)?;
        Ok(stored)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Failure::at("write", &self.path, self.file.write_all(bytes))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file durable; returns its length.
    fn finish(mut self) -> Result<u64, Failure> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        Failure::at("sync", &self.path, synced)?;
        Ok(self.len)
    }
}
