use duramen::{NewMessage, Timestamp};
use fastrand::Rng;

use super::settings::mix;

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) time: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Content {
    pub(crate) const KEYS: [Option<&[u8]>; 4] = [Some(b"one"), Some(b"two"), Some(b""), None];

    /// The `n`-th message of a life, with a value of `len` bytes. No two lives have a message in common, so that one
    /// that comes back in another's place is noticed.
    pub(crate) fn new(life: u64, n: u64, len: usize) -> Content {
        let seed = mix(mix(7, life), n);
        let mut value = vec![0; len];
        Rng::with_seed(seed).fill(&mut value);
        Content {
            // Times go back now and then.
            time: 1_000_000 + 1000 * (n as i64) - 2500 * (n as i64 % 3),
            key: Content::KEYS[(seed % 4) as usize].map(<[u8]>::to_vec),
            value: Some(value),
            headers: Vec::new(),
        }
    }

    /// What is in the place of a control record, which is no message.
    pub(crate) fn of_control() -> Content {
        Content {
            time: 0,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// Five messages of all shapes.
    pub(crate) fn batch(life: u64, n: u64) -> Vec<Content> {
        let mut batch: Vec<Content> = (0..5)
            .map(|i| Content::new(life, n + i, 10 + 40 * i as usize))
            .collect();
        batch[1] = Content {
            key: Some(b"one".to_vec()),
            value: None,
            ..batch[1].clone()
        };
        batch[2].value = Some(Vec::new());
        batch[3].headers = vec![
            (b"name".to_vec(), b"value".to_vec()),
            (Vec::new(), n.to_le_bytes().to_vec()),
        ];
        batch
    }
}

/// Calls `f` with `contents` in the form in which they are published.
pub(crate) fn as_new<T>(contents: &[Content], f: impl FnOnce(&[NewMessage<'_>]) -> T) -> T {
    let headers: Vec<Vec<(&[u8], &[u8])>> = contents
        .iter()
        .map(|content| {
            content
                .headers
                .iter()
                .map(|(name, value)| (&name[..], &value[..]))
                .collect()
        })
        .collect();
    let messages: Vec<NewMessage<'_>> = contents
        .iter()
        .zip(&headers)
        .map(|(content, headers)| NewMessage {
            time: Some(Timestamp::from_micros(content.time)),
            key: content.key.as_deref(),
            value: content.value.as_deref(),
            headers,
        })
        .collect();
    f(&messages)
}
