use crate::{Error, Result};

/// The names of a cursor. Those of one partition are beside each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) stream: Box<str>,
    pub(crate) partition: u32,
    pub(crate) id: Box<str>,
}

impl Name {
    /// The longest name of a cursor, in bytes.
    const ID_LEN_MAX: usize = 512;

    pub(super) fn new(id: &str, stream: &str, partition: u32) -> Result<Name> {
        if id.is_empty() || id.len() > Name::ID_LEN_MAX || id.contains('\0') {
            return Err(Error::Invalid(
                "the name of a cursor has from 1 to 512 bytes, and no NUL",
            ));
        }
        if stream.contains('\0') {
            return Err(Error::Invalid("the name of a stream has no NUL"));
        }
        Ok(Name {
            stream: stream.into(),
            partition,
            id: id.into(),
        })
    }

    /// The key of the messages that keep the cursor.
    pub(super) fn to_key(&self) -> Vec<u8> {
        let partition = self.partition.to_le_bytes();
        [
            self.id.as_bytes(),
            b"\0",
            self.stream.as_bytes(),
            b"\0",
            &partition,
        ]
        .concat()
    }

    pub(super) fn from_key(key: &[u8]) -> Option<Name> {
        let (names, partition) = key.split_last_chunk()?;
        let (id, stream) = std::str::from_utf8(names).ok()?.split_once('\0')?;
        let stream = stream.strip_suffix('\0')?;
        Name::new(id, stream, u32::from_le_bytes(*partition)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_keys() -> Result<()> {
        for (id, stream, partition) in [("a", "", 0), ("é/x", "orders", 0x0100_0001), ("a", "é", u32::MAX)]
        {
            let name = Name::new(id, stream, partition)?;
            assert_eq!(Name::from_key(&name.to_key()), Some(name));
        }
        for key in [
            &b""[..],
            b"\0\0\0\0",
            b"a\0b\0\0\0\0",
            b"\0b\0\0\0\0\0",
            b"\xff\0b\0\0\0\0\0",
            b"a\0b\0c\0\0\0\0\0",
        ] {
            assert_eq!(Name::from_key(key), None, "{key:?}");
        }
        Ok(())
    }
}
