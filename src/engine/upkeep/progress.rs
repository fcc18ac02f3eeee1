/// Whether a step of a task leaves more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More to do.
    More,
    Done,
}
