use std::path::Path;

use super::dir::SimDir;
use super::disk::SimDisk;
use crate::Result;
use crate::sys::{Dir, Storage};

impl Storage for SimDisk {
    fn open_dir(&self, path: &Path) -> Result<Dir> {
        SimDir::at(&self.machine, path).map(|dir| Dir::sim(dir, path))
    }
}
