use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use self_cell::self_cell;

type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

self_cell!(
    struct Decoded {
        owner: Bytes,
        #[covariant]
        dependent: Pairs,
    }
);

/// The headers of a message: names and values, in the order in which they were published. Cheap to
/// clone. The headers of a message share the memory of its batch, unless they are
/// [detached](Headers::detach).
///
/// Names need not be distinct; [`get`](Headers::get) returns the first match.
#[derive(Clone, Default)]
pub struct Headers(Option<Arc<Decoded>>);

impl Headers {
    /// Copies `pairs` into one shared piece of memory.
    #[must_use]
    pub fn new(pairs: &[(&[u8], &[u8])]) -> Headers {
        let lens: Vec<(usize, usize)> = pairs
            .iter()
            .map(|(name, value)| (name.len(), value.len()))
            .collect();
        let mut joined = Vec::with_capacity(lens.iter().map(|(name, value)| name + value).sum());
        for (name, value) in pairs {
            joined.extend_from_slice(name);
            joined.extend_from_slice(value);
        }
        Headers::split(Bytes::from(joined), |bytes| {
            let mut rest = bytes;
            let mut split = Vec::with_capacity(lens.len());
            for (name_len, value_len) in &lens {
                let (name, after) = rest.split_at_checked(*name_len)?;
                let (value, after) = after.split_at_checked(*value_len)?;
                split.push((name, value));
                rest = after;
            }
            Some(split)
        })
        .unwrap_or_default()
    }

    /// A copy in memory of its own, which does not keep the memory of the message's batch.
    #[must_use]
    pub fn detach(&self) -> Headers {
        if self.is_empty() {
            Headers::default()
        } else {
            Headers::new(self.as_slice())
        }
    }

    /// Headers that point into `bytes`, as `decode` splits them; `None` if `decode` finds them
    /// malformed.
    pub(crate) fn split(bytes: Bytes, decode: impl FnOnce(&[u8]) -> Option<Pairs<'_>>) -> Option<Headers> {
        let decoded = Decoded::try_new(bytes, |bytes| decode(bytes).ok_or(())).ok()?;
        Some(Headers(
            (!decoded.borrow_dependent().is_empty()).then(|| Arc::new(decoded)),
        ))
    }

    /// The value of the first header called `name`.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The pairs of name and value, in order.
    pub fn iter(&self) -> std::iter::Copied<std::slice::Iter<'_, (&[u8], &[u8])>> {
        self.as_slice().iter().copied()
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The headers as pairs of name and value.
    #[must_use]
    pub fn as_slice(&self) -> &[(&[u8], &[u8])] {
        self.0
            .as_ref()
            .map_or(&[], |decoded| decoded.borrow_dependent().as_slice())
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Headers {}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = std::iter::Copied<std::slice::Iter<'a, (&'a [u8], &'a [u8])>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_map()
            .entries(
                self.as_slice()
                    .iter()
                    .map(|(name, value)| (text(name), text(value))),
            )
            .finish()
    }
}
