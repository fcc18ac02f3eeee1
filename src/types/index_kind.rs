use std::fmt;

/// An index that a log may have or lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IndexKind {
    /// Finds messages by their key: [`Options::key_index`](crate::Options::key_index).
    Key,
    /// Finds messages by their time: [`Options::time_index`](crate::Options::time_index).
    Time,
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IndexKind::Key => "key",
            IndexKind::Time => "time",
        })
    }
}
