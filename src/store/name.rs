//! The names of streams.

use crate::{Error, Result};

/// The longest name, in bytes of UTF-8.
const LEN_MAX: usize = 512;

/// What the names begin with that the library keeps for itself.
const RESERVED: &str = "__";

/// The stream that keeps the stored cursors.
pub(super) const CURSORS: &str = "__cursors";

/// Fails unless a stream of the application may have this name.
pub(super) fn check(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > LEN_MAX {
        return Err(Error::Invalid("the name of a stream has from 1 to 512 bytes"));
    }
    if name.contains('\0') {
        return Err(Error::Invalid("the name of a stream has no NUL"));
    }
    if name == "." || name == ".." {
        return Err(Error::Invalid("`.` and `..` are no names of streams"));
    }
    check_not_reserved(name)
}

/// Whether a name is not one that the store uses itself.
pub(super) fn check_not_reserved(name: &str) -> Result<()> {
    if is_reserved(name) {
        return Err(Error::Invalid(
            "names of streams that begin with `__` are reserved",
        ));
    }
    Ok(())
}

pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_within_their_bounds() {
        let longest = "é".repeat(256);
        for name in ["a", "a/b", "../x", "...", "_x", " ", &longest] {
            assert!(check(name).is_ok(), "{name}");
        }
        let too_long = format!("{longest}a");
        for name in ["", ".", "..", "a\0", "__x", &too_long] {
            assert!(matches!(check(name), Err(Error::Invalid(_))), "{name}");
        }
    }
}
