use arbitrary::Arbitrary;
use duramen::{NewMessage, Timestamp};

/// Names for keys and headers: few, so that they come up again.
pub const NAMES: [&[u8]; 6] = [b"", b"a", b"b", b"key-3", b"key-4", &[0xff; 40]];

/// A message to publish.
#[derive(Arbitrary, Clone, Debug)]
pub struct Content {
    key: Option<u8>,
    value: Option<(u8, u16)>,
    time: i16,
    headers: u8,
}

impl Content {
    pub fn key(&self) -> Option<&'static [u8]> {
        self.key.map(|at| NAMES[usize::from(at) % NAMES.len()])
    }

    /// The value, if there is one: up to 3,000 equal bytes.
    pub fn value(&self) -> Option<Vec<u8>> {
        let (byte, len) = self.value?;
        Some(vec![byte; usize::from(len) % 3_000])
    }

    /// Times are close to each other and go back at times.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.time) * 1_000)
    }

    pub fn headers(&self) -> Vec<(&'static [u8], &'static [u8])> {
        (0..self.headers % 4)
            .map(|n| {
                (
                    NAMES[usize::from(n) + 1],
                    NAMES[usize::from(self.headers / 4) % NAMES.len()],
                )
            })
            .collect()
    }
}

/// Calls `publish` with the messages that `contents` stand for.
pub fn with_messages<T>(contents: &[Content], publish: impl FnOnce(&[NewMessage<'_>]) -> T) -> T {
    let parts: Vec<_> = contents
        .iter()
        .map(|content| (content.value(), content.headers()))
        .collect();
    let messages: Vec<_> = contents
        .iter()
        .zip(&parts)
        .map(|(content, (value, headers))| NewMessage {
            time: Some(content.time()),
            key: content.key(),
            value: value.as_deref(),
            headers,
        })
        .collect();
    publish(&messages)
}
