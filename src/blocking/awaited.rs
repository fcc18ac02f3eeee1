/// What came while [`Follow::next_timeout`](crate::Follow::next_timeout) waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited<T> {
    /// The next item.
    Item(T),
    /// Nothing yet, when the time was over. More may come.
    TimedOut,
    /// The end. Nothing more will come.
    Ended,
}

impl<T> Awaited<T> {
    /// The same with another item.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Awaited<U> {
        match self {
            Awaited::Item(item) => Awaited::Item(change(item)),
            Awaited::TimedOut => Awaited::TimedOut,
            Awaited::Ended => Awaited::Ended,
        }
    }
}
