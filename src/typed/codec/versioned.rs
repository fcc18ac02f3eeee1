use std::fmt;

use super::{Codec, CodecError};

type Decode<T> = Box<dyn Fn(&[u8]) -> Result<T, CodecError> + Send + Sync>;

/// Items whose form changes over time: a version byte, then the item in the form of that version.
///
/// Items are always encoded in the current version. An item in an [`older`](Versioned::older)
/// version is decoded with the codec of that version and then converted. An unknown version cannot
/// be decoded, so a program that is older than its data reports an error instead of reading
/// nonsense.
///
/// ```
/// use duramen::codec::{Codec, CodecError, U64, Utf8, Versioned};
///
/// // Users were once known by a number, and are now by a name.
/// let users = Versioned::new(2, Utf8).older(1, U64, |number| format!("user-{number}"));
///
/// assert_eq!(users.decode(b"\x01\0\0\0\0\0\0\0\x07")?, "user-7");
/// let mut out = Vec::new();
/// users.encode(&"Ada".to_owned(), &mut out)?;
/// assert_eq!(out, b"\x02Ada");
/// assert!(users.decode(b"\x03").is_err());
/// # Ok::<(), CodecError>(())
/// ```
pub struct Versioned<C: Codec> {
    version: u8,
    codec: C,
    older: Vec<(u8, Decode<C::Item>)>,
}

impl<C: Codec> Versioned<C> {
    /// Encodes and decodes items with `codec`, with `version` in front.
    pub fn new(version: u8, codec: C) -> Versioned<C> {
        Versioned {
            version,
            codec,
            older: Vec::new(),
        }
    }

    /// Decodes another version too: with `codec`, whose items `upgrade` converts to the current
    /// type.
    #[must_use]
    pub fn older<O: Codec + 'static>(
        mut self,
        version: u8,
        codec: O,
        upgrade: impl Fn(O::Item) -> C::Item + Send + Sync + 'static,
    ) -> Versioned<C> {
        let decode: Decode<C::Item> = Box::new(move |bytes| Ok(upgrade(codec.decode(bytes)?)));
        self.older.push((version, decode));
        self
    }

    fn decode_older(&self, version: u8, bytes: &[u8]) -> Result<C::Item, CodecError> {
        match self.older.iter().find(|(older, _)| *older == version) {
            Some((_, decode)) => decode(bytes),
            None => Err(format!("version {version} is unknown").into()),
        }
    }
}

impl<C: Codec> Codec for Versioned<C> {
    type Item = C::Item;

    fn encode(&self, item: &C::Item, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(self.version);
        self.codec.encode(item, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<C::Item, CodecError> {
        match bytes {
            [version, item @ ..] if *version == self.version => self.codec.decode(item),
            [version, item @ ..] => self.decode_older(*version, item),
            [] => Err("the version is missing".into()),
        }
    }

    fn decode_shared(&self, bytes: &bytes::Bytes) -> Result<C::Item, CodecError> {
        match bytes.first() {
            Some(version) if *version == self.version => self.codec.decode_shared(&bytes.slice(1..)),
            _ => self.decode(bytes),
        }
    }
}

impl<C: Codec + fmt::Debug> fmt::Debug for Versioned<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<u8> = self.older.iter().map(|(version, _)| *version).collect();
        f.debug_struct("Versioned")
            .field("version", &self.version)
            .field("codec", &self.codec)
            .field("older", &older)
            .finish()
    }
}
