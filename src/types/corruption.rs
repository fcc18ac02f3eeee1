/// A kind of damage to stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// The file does not begin with the magic number of its kind.
    #[error("not a file of a duramen log")]
    Magic,
    /// A file header's checksum or fields are wrong.
    #[error("the file header is damaged")]
    Header,
    /// A batch header's checksum or fields are wrong.
    #[error("a batch header is damaged")]
    Batch,
    /// A record's checksum or fields are wrong.
    #[error("a record is damaged")]
    Record,
    /// The file ends too early.
    #[error("the file is shorter than the bytes written to it")]
    Short,
    /// There are bytes where nothing was written.
    #[error("there are bytes where nothing was written")]
    Trailing,
    /// A segment file belongs to another log, or to another place in this log.
    #[error("the segment does not belong to this place in the log")]
    Foreign,
    /// A segment is missing.
    #[error("a segment is missing")]
    Missing,
    /// An index does not match its segment, or its checksum is wrong.
    #[error("the index is damaged")]
    Index,
    /// A message of a store's catalog is whole, and says nothing that can be understood.
    #[error("the catalog says something unknown")]
    Catalog,
    /// A message that keeps a cursor is whole, and says nothing that can be understood.
    #[error("the stored cursor says something unknown")]
    Cursor,
    /// A message of a queue's state is missing, or is whole and says nothing that can be
    /// understood.
    #[error("the state of the queue says something unknown, or begins too late")]
    Queue,
    /// A directory of a store is missing, such as that of a partition.
    #[error("the directory is missing")]
    Directory,
    /// The metadata is damaged. Opening a log fails with this if both copies are damaged; the
    /// report of [`check`](crate::check) has one for each damaged copy.
    #[error("the metadata is damaged")]
    Meta,
}
