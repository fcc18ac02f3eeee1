use super::format::Head;

/// A message as it was read, whole.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) offset: u64,
    pub(crate) time: i64,
    /// Where its record begins in the file.
    pub(crate) position: u64,
    key_len: usize,
    value_len: usize,
    /// Key, value, and what else is behind the head of the record.
    bytes: Vec<u8>,
}

impl Message {
    /// Takes this record, of which `fill` reads the bytes behind the head.
    pub(crate) fn take<E>(
        &mut self,
        head: &Head,
        position: u64,
        rest_len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.bytes.resize(rest_len, 0);
        fill(&mut self.bytes)?;
        (self.offset, self.time, self.position) = (head.offset, head.time, position);
        (self.key_len, self.value_len) = (head.key_len, head.value_len);
        Ok(())
    }

    /// Whether both say the same, wherever they are.
    pub(crate) fn is_same(&self, other: &Message) -> bool {
        (self.offset, self.time) == (other.offset, other.time)
            && self.key() == other.key()
            && self.value() == other.value()
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_len).unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &[u8] {
        let end = self.key_len + self.value_len;
        self.bytes.get(self.key_len..end).unwrap_or_default()
    }
}
