//! Macros for models that loom tries in every order.

/// Finds each of these models by its name.
macro_rules! models {
    ($($model:ident),* $(,)?) => {
        /// The model of that name.
        pub(crate) fn named(name: &str) -> fn() {
            match name {
                $(stringify!($model) => $model,)*
                _ => panic!("there is no model {name}"),
            }
        }
    };
}

/// Tests that no model of this module finds a fault in the sound parts.
macro_rules! tests_of {
    ($module:ident: $($model:ident),* $(,)?) => {$(
        #[test]
        fn $model() {
            $crate::notifier::explore(sound::$module::named(stringify!($model)));
        }
    )*};
}

/// Tests that a broken part, or a broken use of one, is found by a model of this module.
macro_rules! planted_in {
    ($module:ident; $($test:ident: $parts:ident, $model:ident;)*) => {$(
        #[test]
        fn $test() {
            let model = $parts::$module::named(stringify!($model));
            let is_found = $crate::notifier::finds_lost_wakeup(module_path!(), stringify!($test), model);
            assert!(is_found || $crate::common::role().is_some());
        }
    )*};
}
