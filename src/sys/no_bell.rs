//! There is no way here for one process to wake another.

use std::fs::File;
use std::io;
use std::time::Instant;

/// What wakes other processes. There is none, and those who wait look again after a while.
#[derive(Debug)]
pub(crate) enum Bell {}

impl Bell {
    pub(crate) const IS_POSSIBLE: bool = false;

    #[cfg_attr(not(unix), expect(dead_code, reason = "no file can be opened there"))]
    pub(in crate::sys) fn of(_: &File) -> io::Result<Bell> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn listen(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn wait(&self, _: u32, _: Option<Instant>) -> bool {
        match *self {}
    }

    pub(crate) fn ring_if_awaited(&self) {
        match *self {}
    }

    pub(crate) fn let_go(&self) {
        match *self {}
    }

    pub(crate) fn ring(&self) {
        match *self {}
    }
}
