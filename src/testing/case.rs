use crate::{Log, Options};

/// Makes a new, empty log with the indexes that the [`Setup`] asks for.
///
/// If a log needs a directory or other resources that must live as long as it, wrap it together
/// with them.
pub type Factory<'a> = &'a dyn Fn(Setup) -> Box<dyn Log>;

/// The indexes that a [`Case`] needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setup {
    /// The log has a key index if and only if this is set.
    pub key_index: bool,
    /// The log has a time index if and only if this is set.
    pub time_index: bool,
}

impl Setup {
    /// [`Options`] with these indexes.
    pub fn options(self) -> Options {
        Options::new()
            .key_index(self.key_index)
            .time_index(self.time_index)
    }

    pub(super) const PLAIN: Setup = Setup {
        key_index: false,
        time_index: false,
    };
    pub(super) const KEYS: Setup = Setup {
        key_index: true,
        time_index: false,
    };
    pub(super) const TIMES: Setup = Setup {
        key_index: false,
        time_index: true,
    };
    pub(super) const INDEXED: Setup = Setup {
        key_index: true,
        time_index: true,
    };
}

/// One behaviour that the contract requires.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The name of the behaviour, such as
    /// `consume_at_next_offset_gives_no_messages_and_the_same_offset`.
    pub name: &'static str,
    /// Whether the case takes more than 100 MiB of memory or storage. It may take up to about 3
    /// GiB.
    pub heavy: bool,
    /// Checks the behaviour on one or more logs from the factory. Panics if a log behaves
    /// differently.
    pub run: fn(Factory<'_>),
}

/// Makes a case of each function and names it after the function.
macro_rules! list {
    ($($run:ident),* $(,)?) => {
        &[$($crate::testing::Case { name: stringify!($run), heavy: false, run: $run }),*]
    };
}
pub(super) use list;
