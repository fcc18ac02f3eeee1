use super::framing::Framing;
use crate::format::Sink;
use crate::segment::Active;
use crate::{Error, Result};

/// Bytes of a batch that are gathered before they are brought into the file: few enough to stay in
/// the nearest cache.
const STAGING_LEN: usize = 64 << 10;

/// Gathers the frames of a batch that goes into the file by calls.
pub(super) struct Staged<'a> {
    active: &'a Active,
    /// Where the gathered bytes go.
    position: u64,
    bytes: Vec<u8>,
    /// How many bytes are in the file already.
    written: u64,
    /// The first failure; nothing is written after it.
    failed: Option<Error>,
}

impl<'a> Staged<'a> {
    /// Brings a batch into the file, and once all of it is there, its records into the index;
    /// gathers in `bytes`. Returns that memory, and the last checksum.
    #[inline(never)]
    pub(super) fn write(framing: &Framing<'a>, mut bytes: Vec<u8>) -> (Vec<u8>, Result<u32>) {
        bytes.clear();
        let mut staged = Staged {
            active: framing.active,
            position: u64::from(framing.position),
            bytes,
            written: 0,
            failed: None,
        };
        let sum = framing.put(&mut staged, false);
        staged.flush();
        let Staged { bytes, failed, .. } = staged;
        if failed.is_none() {
            framing.index();
        }
        (bytes, failed.map_or(Ok(sum), Err))
    }

    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.write_now(&bytes);
        self.bytes = bytes;
        self.bytes.clear();
    }

    fn write_now(&mut self, bytes: &[u8]) {
        let at = self.position + self.written;
        if self.failed.is_none()
            && let Err(error) = self.active.write(at, bytes)
        {
            self.failed = Some(error);
        }
        self.written += bytes.len() as u64;
    }
}

impl Sink for Staged<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > STAGING_LEN {
            self.flush();
        }
        if bytes.len() > STAGING_LEN {
            return self.write_now(bytes);
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn len(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }
}
