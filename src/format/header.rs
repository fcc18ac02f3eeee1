//! What the headers of all files of a log begin and end with.

use super::VERSION;
use super::bytes::{Fields, is_sealed, u16_at};

/// Why a header is not readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderDefect {
    /// A file of another kind.
    Magic,
    Version(u16),
    Damaged,
}

/// Begins a header of `N` bytes. Its fields follow, and [`seal`](Fields::seal) completes it.
pub(super) fn begin<const N: usize>(magic: [u8; 8], len: u16) -> Fields<N> {
    Fields::new()
        .put(&magic)
        .put(&VERSION.to_le_bytes())
        .put(&len.to_le_bytes())
}

/// The header at the front of `bytes`, if it is whole and of this kind, version and length.
pub(super) fn checked(bytes: &[u8], magic: [u8; 8], len: u16) -> Result<&[u8], HeaderDefect> {
    let damaged = HeaderDefect::Damaged;
    let header = bytes.get(..usize::from(len)).ok_or(damaged)?;
    // The magic is checked first, so that a file of another kind is reported as such.
    if !header.starts_with(&magic) {
        return Err(HeaderDefect::Magic);
    }
    if !is_sealed(header) {
        return Err(damaged);
    }
    match u16_at(header, 8) {
        Some(VERSION) => {}
        version => return Err(version.map_or(damaged, HeaderDefect::Version)),
    }
    if u16_at(header, 10) == Some(len) {
        Ok(header)
    } else {
        Err(damaged)
    }
}
