//! The settings of a stream: how they are named, defaulted, changed and stored, from one list.

use std::time::Duration;

use crate::{Durability, TimestampPolicy, Token};

/// What a [patch](super::StreamPatch) does with one setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes what the store's defaults say now.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Patch<T> {
        Patch::Set(value)
    }
}

impl<T: Copy> Patch<T> {
    /// The setting after the patch, which was `now` before.
    pub(super) fn apply(self, now: Option<T>, default: Option<T>) -> Option<T> {
        match self {
            Patch::Keep => now,
            Patch::Clear => default,
            Patch::Set(value) => Some(value),
        }
    }
}

/// Something that is stored as one setting.
pub(super) trait Value: Sized + Copy {
    fn put(self, out: &mut Vec<u8>);

    /// `None` if the bytes are not those of such a value.
    fn take(bytes: &[u8]) -> Option<Self>;
}

impl Value for bool {
    fn put(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }

    fn take(bytes: &[u8]) -> Option<bool> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl Value for u32 {
    fn put(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Option<u32> {
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl Value for u64 {
    fn put(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Option<u64> {
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl Value for Token {
    fn put(self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }

    fn take(bytes: &[u8]) -> Option<Token> {
        Token::from_bytes(bytes)
    }
}

/// In whole microseconds. The longest that can be stored stands for all that are longer.
impl Value for Duration {
    fn put(self, out: &mut Vec<u8>) {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX).put(out);
    }

    fn take(bytes: &[u8]) -> Option<Duration> {
        Some(match u64::take(bytes)? {
            u64::MAX => Duration::MAX,
            micros => Duration::from_micros(micros),
        })
    }
}

impl Value for Durability {
    fn put(self, out: &mut Vec<u8>) {
        match self {
            Durability::Os => out.push(0),
            Durability::EachPublish => out.push(1),
            Durability::Interval(interval) => {
                out.push(2);
                interval.put(out);
            }
            Durability::Bytes(bytes) => {
                out.push(3);
                bytes.put(out);
            }
        }
    }

    fn take(bytes: &[u8]) -> Option<Durability> {
        match bytes {
            [0] => Some(Durability::Os),
            [1] => Some(Durability::EachPublish),
            [2, rest @ ..] => Some(Durability::Interval(Duration::take(rest)?)),
            [3, rest @ ..] => Some(Durability::Bytes(u64::take(rest)?)),
            _ => None,
        }
    }
}

impl Value for TimestampPolicy {
    fn put(self, out: &mut Vec<u8>) {
        let policies = [
            TimestampPolicy::AsGiven,
            TimestampPolicy::ClientPrefer,
            TimestampPolicy::ClientRequire,
            TimestampPolicy::Arrival,
        ];
        let number = (0_u8..).zip(policies).find_map(|(number, policy)| match self {
            same if same == policy => Some(2 * number),
            same if same == policy.uncapped() => Some(2 * number + 1),
            _ => None,
        });
        out.push(number.unwrap_or_default());
    }

    fn take(bytes: &[u8]) -> Option<TimestampPolicy> {
        let [number] = *bytes else { return None };
        let policy = match number / 2 {
            0 => TimestampPolicy::AsGiven,
            1 => TimestampPolicy::ClientPrefer,
            2 => TimestampPolicy::ClientRequire,
            3 => TimestampPolicy::Arrival,
            _ => return None,
        };
        Some(if number % 2 == 0 {
            policy
        } else {
            policy.uncapped()
        })
    }
}

/// Adds a field to a stored form: its tag, its length, its bytes.
pub(super) fn put_field(out: &mut Vec<u8>, tag: u8, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend([0; 2]);
    put(out);
    let len = u16::try_from(out.len() - at - 2).expect("a field is short");
    out[at..at + 2].copy_from_slice(&len.to_le_bytes());
}

/// Goes through the fields of a stored form. `None` if it is not whole, or `take` refuses a field.
pub(super) fn take_fields(mut bytes: &[u8], mut take: impl FnMut(u8, &[u8]) -> Option<()>) -> Option<()> {
    while let [tag, low, high, rest @ ..] = bytes {
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        take(*tag, rest.get(..len)?)?;
        bytes = &rest[len..];
    }
    bytes.is_empty().then_some(())
}

/// Declares a group of settings and its patch: the settings themselves, each with the tag under
/// which it is stored, and the groups in it.
macro_rules! settings {
    (
        $(#[$attr:meta])* $config:ident
        $(#[$patch_attr:meta])* $patch:ident
        fixed { $($(#[$fixed_attr:meta])* $fixed_tag:literal $fixed:ident: $fixed_type:ty,)* }
        settings { $($(#[$one_attr:meta])* $tag:literal $one:ident: $type:ty,)* }
        groups { $($(#[$group_attr:meta])* $group:ident: $group_config:ident, $group_patch:ident;)* }
    ) => {
        $(#[$attr])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $config {
            $($(#[$fixed_attr])* pub $fixed: Option<$fixed_type>,)*
            $($(#[$one_attr])* pub $one: Option<$type>,)*
            $($(#[$group_attr])* pub $group: $group_config,)*
        }

        impl $config {
            /// No setting is named.
            #[must_use]
            pub fn new() -> $config {
                $config::default()
            }

            $(
                $(#[$fixed_attr])*
                #[must_use]
                pub fn $fixed(mut self, $fixed: $fixed_type) -> $config {
                    self.$fixed = Some($fixed);
                    self
                }
            )*
            $(
                $(#[$one_attr])*
                #[must_use]
                pub fn $one(mut self, $one: $type) -> $config {
                    self.$one = Some($one);
                    self
                }
            )*
            $(
                $(#[$group_attr])*
                #[must_use]
                pub fn $group(mut self, $group: $group_config) -> $config {
                    self.$group = $group;
                    self
                }
            )*

            /// The same with the defaults for what is not named.
            pub(super) fn or(&self, defaults: &$config) -> $config {
                $config {
                    $($fixed: self.$fixed.or(defaults.$fixed),)*
                    $($one: self.$one.or(defaults.$one),)*
                    $($group: self.$group.or(&defaults.$group),)*
                }
            }

            /// The same after a patch.
            pub(super) fn patched(&self, patch: &$patch, defaults: &$config) -> $config {
                $config {
                    $($fixed: self.$fixed,)*
                    $($one: patch.$one.apply(self.$one, defaults.$one),)*
                    $($group: self.$group.patched(&patch.$group, &defaults.$group),)*
                }
            }

            /// Adds what is named to the stored form.
            pub(super) fn put(&self, out: &mut Vec<u8>) {
                $(
                    if let Some(value) = self.$fixed {
                        put_field(out, $fixed_tag, |out| value.put(out));
                    }
                )*
                $(
                    if let Some(value) = self.$one {
                        put_field(out, $tag, |out| value.put(out));
                    }
                )*
                $(self.$group.put(out);)*
            }

            /// Takes a setting from the stored form; false if it is none of these. `None` if it is
            /// damaged.
            pub(super) fn take(&mut self, tag: u8, bytes: &[u8]) -> Option<bool> {
                match tag {
                    $($fixed_tag => self.$fixed = Some(Value::take(bytes)?),)*
                    $($tag => self.$one = Some(Value::take(bytes)?),)*
                    _ => {
                        $(
                            if self.$group.take(tag, bytes)? {
                                return Some(true);
                            }
                        )*
                        return Some(false);
                    }
                }
                Some(true)
            }
        }

        $(#[$patch_attr])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $patch {
            $($(#[$one_attr])* pub $one: Patch<$type>,)*
            $($(#[$group_attr])* pub $group: $group_patch,)*
        }

        impl $patch {
            /// Nothing is changed.
            #[must_use]
            pub fn new() -> $patch {
                $patch::default()
            }

            $(
                $(#[$one_attr])*
                #[must_use]
                pub fn $one(mut self, $one: impl Into<Patch<$type>>) -> $patch {
                    self.$one = $one.into();
                    self
                }
            )*
            $(
                $(#[$group_attr])*
                #[must_use]
                pub fn $group(mut self, $group: $group_patch) -> $patch {
                    self.$group = $group;
                    self
                }
            )*
        }
    };
}

pub(super) use settings;
