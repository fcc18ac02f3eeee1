use std::io;

/// A shared mapping of a file's first bytes.
#[derive(Debug)]
pub(in crate::sys) enum Mapping {}

/// A second mapping of the bytes of another one.
#[derive(Debug)]
pub(in crate::sys) enum Twin {}

impl Mapping {
    pub(in crate::sys) fn as_ptr(&self) -> *const u8 {
        match *self {}
    }

    pub(in crate::sys) fn as_mut_ptr(&self) -> *mut u8 {
        match *self {}
    }

    pub(in crate::sys) fn populate(&self, _: u64, _: u64) {
        match *self {}
    }

    pub(in crate::sys) fn let_go(&self, _: u64, _: u64) {
        match *self {}
    }

    pub(in crate::sys) fn flush(&self, _: u64, _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn twin(&self) -> Option<Twin> {
        match *self {}
    }
}

impl Twin {
    pub(in crate::sys) fn as_ptr(&self) -> *const u8 {
        match *self {}
    }
}
