use std::io;

use super::{Bell, Mapping};

/// How many files this process may have open.
pub(crate) fn open_files_max() -> usize {
    usize::MAX
}

/// An open file of the operating system.
#[derive(Debug)]
pub(in crate::sys) enum OsFile {}

impl OsFile {
    pub(in crate::sys) fn len(&self) -> io::Result<u64> {
        match *self {}
    }

    pub(in crate::sys) fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        match *self {}
    }

    pub(in crate::sys) fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn check_size_limit(&self, _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn set_len(&self, _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn sync(&self) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn map(&self, _: u64, _: bool) -> io::Result<Mapping> {
        match *self {}
    }

    pub(in crate::sys) fn has_hole(&self, _: u64) -> io::Result<bool> {
        match *self {}
    }

    pub(in crate::sys) fn bell(&self) -> io::Result<Bell> {
        match *self {}
    }
}
