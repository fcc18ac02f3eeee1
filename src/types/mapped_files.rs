/// Which files of a log are mapped into memory; see
/// [`Options::mapped_files`](crate::Options::mapped_files).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MappedFiles {
    /// All: messages are stored through a mapping, and read through mappings. The fastest.
    #[default]
    All,
    /// Those that are not written to any more. Messages are written by calls, and read by calls
    /// until their segment is sealed.
    Sealed,
    /// None: everything is written and read by calls.
    Nothing,
}
