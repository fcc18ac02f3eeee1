//! One list of the methods of [`Log`](super::Log) makes the trait and every log that passes calls
//! on.
//!
//! A wrapper that is written by hand may forget a provided method of the trait: the compiler
//! accepts that, and the wrapper answers with the default instead of asking the log in it. So the
//! trait is declared by [`declare_log!`], which also makes the macro `forward_log!` from its
//! methods. A new method of the trait is passed on by every wrapper at once, or does not compile.

/// Declares the trait `Log` and the macro `forward_log!`, which implements it by passing calls on.
///
/// Each method of the trait is marked with a word in front of `fn`:
///
/// - `publish`: as `change`, and messages may be added.
/// - `fetch`: as `read`, and the result has messages.
/// - `change`: readers may see the log changed afterwards. The method returns a `Result`.
/// - `limit`: as `change`, by what the log is to keep.
/// - `wait`: as `change`, but it may take for ever.
/// - `end`: as `change`; the handle is closed.
/// - `read`: readers see no change. The method returns a `Result`.
/// - `plain`: readers see no change, and the method cannot fail.
///
/// `forward_log!` takes the first line of the implementation, the log that calls go to, and, where
/// a wrapper has to act on changes, what becomes of the result of a method marked `change`:
///
/// ```text
/// forward_log!([impl<L: Log> Log for Wrapper<L>] |log| log.inner);
/// forward_log!([impl<L: Log> Log for Wrapper<L>] |log| log.inner, |result| log.note(result));
/// ```
///
/// A wrapper that has no log at all times names three methods of its own, for `change`, `read` and
/// `fetch`, to which the call is given as a closure, and has methods of its own for the others:
///
/// ```text
/// forward_log!([impl Log for Wrapper] through changing, reading, fetching);
/// ```
///
/// The types in the signatures have to be imported where `forward_log!` is used.
macro_rules! declare_log {
    ($(#[$attr:meta])* pub trait $log:ident: Send + Sync { $($methods:tt)* }) => {
        declare_log!(@next [$(#[$attr])* pub trait $log: Send + Sync] [] [] $($methods)*);
    };
    // The next method is required.
    (
        @next $head:tt [$($items:tt)*] [$($list:tt)*]
        $(#[$attr:meta])*
        $kind:ident fn $name:ident(&$this:ident $(, $arg:ident: $type:ty)*) -> $return:ty;
        $($rest:tt)*
    ) => {
        declare_log!(
            @next $head
            [$($items)* $(#[$attr])* fn $name(&$this $(, $arg: $type)*) -> $return;]
            [$($list)* [$kind $name $this ($($arg: $type),*) $return]]
            $($rest)*
        );
    };
    // The next method is provided.
    (
        @next $head:tt [$($items:tt)*] [$($list:tt)*]
        $(#[$attr:meta])*
        $kind:ident fn $name:ident(&$this:ident $(, $arg:ident: $type:ty)*) -> $return:ty $body:block
        $($rest:tt)*
    ) => {
        declare_log!(
            @next $head
            [$($items)* $(#[$attr])* fn $name(&$this $(, $arg: $type)*) -> $return $body]
            [$($list)* [$kind $name $this ($($arg: $type),*) $return]]
            $($rest)*
        );
    };
    // There are no more methods.
    (@next [$($head:tt)*] [$($items:tt)*] [$($list:tt)*]) => {
        $($head)* { $($items)* }
        declare_forward_log!(($) $($list)*);
    };
}

/// Declares `forward_log!` from the list of methods. `$d` is a dollar sign for that macro.
macro_rules! declare_forward_log {
    (($d:tt) $([$kind:ident $name:ident $this:ident ($($arg:ident: $type:ty),*) $return:ty])*) => {
        macro_rules! forward_log {
            ([$d($d header:tt)*] |$d log:ident| $d inner:expr) => {
                forward_log!([$d($d header)*] |$d log| $d inner, |result| result);
            };
            ([$d($d header:tt)*] |$d log:ident| $d inner:expr, |$d result:ident| $d outcome:expr) => {
                $d($d header)* {
                    $(
                        fn $name(&$this $(, $arg: $type)*) -> $return {
                            let $d log = $this;
                            forward_log!(@$kind $d inner.$name($($arg),*), $d result, $d outcome)
                        }
                    )*
                }
            };
            ([$d($d header:tt)*] through $d change:ident, $d read:ident, $d fetch:ident) => {
                $d($d header)* {
                    $(
                        fn $name(&$this $(, $arg: $type)*) -> $return {
                            forward_log!(@through $kind $name $this ($($arg),*) $d change, $d read, $d fetch)
                        }
                    )*
                }
            };
            (
                @through change $d name:ident $d this:ident $d args:tt
                $d change:ident, $d read:ident, $d fetch:ident
            ) => {
                $d this.$d change(|log| log.$d name $d args)
            };
            (
                @through read $d name:ident $d this:ident $d args:tt
                $d change:ident, $d read:ident, $d fetch:ident
            ) => {
                $d this.$d read(|log| log.$d name $d args)
            };
            (
                @through fetch $d name:ident $d this:ident $d args:tt
                $d change:ident, $d read:ident, $d fetch:ident
            ) => {
                $d this.$d fetch(|log| log.$d name $d args)
            };
            (
                @through $d own:ident $d name:ident $d this:ident ($d($d arg:ident),*)
                $d change:ident, $d read:ident, $d fetch:ident
            ) => {
                Self::$d name($d this $d(, $d arg)*)
            };
            (@plain $d call:expr, $d result:ident, $d outcome:expr) => {
                $d call
            };
            (@read $d call:expr, $d result:ident, $d outcome:expr) => {
                $d call
            };
            (@fetch $d call:expr, $d result:ident, $d outcome:expr) => {
                $d call
            };
            (@publish $d call:expr, $d result:ident, $d outcome:expr) => {
                forward_log!(@change $d call, $d result, $d outcome)
            };
            (@limit $d call:expr, $d result:ident, $d outcome:expr) => {
                forward_log!(@change $d call, $d result, $d outcome)
            };
            (@wait $d call:expr, $d result:ident, $d outcome:expr) => {
                forward_log!(@change $d call, $d result, $d outcome)
            };
            (@end $d call:expr, $d result:ident, $d outcome:expr) => {
                forward_log!(@change $d call, $d result, $d outcome)
            };
            (@change $d call:expr, $d result:ident, $d outcome:expr) => {{
                let $d result = $d call;
                $d outcome
            }};
        }
    };
}
