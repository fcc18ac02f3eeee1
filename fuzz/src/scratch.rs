use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a directory, and what is in them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A directory in memory that is empty at first and gone at the end.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// `name` tells the directories of one process apart.
    pub fn new(name: &str) -> Scratch {
        let shared_memory = Path::new("/dev/shm");
        let parent = if shared_memory.is_dir() {
            shared_memory.to_path_buf()
        } else {
            std::env::temp_dir()
        };
        let dir = parent.join(format!("duramen-fuzz-{}-{name}", std::process::id()));
        // What a run that crashed has left.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a new directory");
        Scratch { dir }
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The files there are; what is in subfolders does not count.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        for entry in fs::read_dir(&self.dir).expect("the directory is there") {
            let entry = entry.expect("the directory can be listed");
            let name = entry.file_name().into_string().expect("only names of ours");
            if entry.path().is_file() {
                files.insert(name, fs::read(entry.path()).expect("the file can be read"));
            }
        }
        files
    }

    /// Removes everything in it.
    pub fn clear(&self) {
        fs::remove_dir_all(&self.dir).expect("the directory can be removed");
        fs::create_dir(&self.dir).expect("a new directory");
    }

    /// Makes these the only files.
    pub fn write(&self, files: &Files) {
        self.clear();
        for (name, bytes) in files {
            fs::write(self.dir.join(name), bytes).expect("the file can be written");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
