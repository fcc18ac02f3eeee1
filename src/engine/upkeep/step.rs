/// What a step of a task that takes several leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More to do.
    More,
    Done,
}
