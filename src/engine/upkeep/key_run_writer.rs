use crate::Result;
use crate::directory::Directory;
use crate::format::{FileName, Previous, RUN_HEADER_LEN, RunHeader, checksum};
use crate::segment::KeyRun;
use crate::sys::File;

/// Bytes written at a time.
const WRITE_LEN: usize = 64 << 10;

/// Writes a key run's file under a temporary name. The file is derived: a crash may lose it.
#[derive(Debug)]
pub(super) struct KeyRunWriter {
    file: File,
    temporary: FileName,
    buffer: Vec<u8>,
    position: u64,
    count: u32,
    checksum: u32,
}

impl KeyRunWriter {
    pub(super) fn create(directory: &Directory, run: &KeyRun) -> Result<KeyRunWriter> {
        let temporary = FileName::KeysTemporary { first: run.first };
        Ok(KeyRunWriter {
            file: directory.create_anew(&temporary)?,
            temporary,
            buffer: Vec::with_capacity(WRITE_LEN),
            position: RUN_HEADER_LEN as u64,
            count: 0,
            checksum: 0,
        })
    }

    pub(super) fn push(&mut self, entry: u64) -> Result<()> {
        self.buffer.extend_from_slice(&entry.to_le_bytes());
        self.count += 1;
        if self.buffer.len() >= WRITE_LEN {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.checksum = checksum(self.checksum, &self.buffer);
        self.file.write_at(self.position, &self.buffer)?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Gives the file its header and its name.
    pub(super) fn finish(&mut self, directory: &Directory, run: &KeyRun, last: Previous) -> Result<()> {
        self.flush()?;
        let header = RunHeader {
            log_id: directory.log_id,
            first: run.first,
            end: run.end,
            last,
            count: self.count,
            checksum: self.checksum,
        };
        self.file.write_at(0, &header.encode())?;
        self.file.sync()?;
        let _permit = directory.health.permit_rename()?;
        directory.rename(&self.temporary, &run.name())
    }

    /// Removes the file again.
    ///
    /// # Errors
    ///
    /// The next open removes the file if that fails now.
    pub(super) fn discard(self, directory: &Directory) -> Result<()> {
        directory.remove(&self.temporary)
    }
}
