use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use super::content::Content;

/// The number of a file or directory, independent of its name.
pub(super) type Inode = u32;

/// The root directory.
pub(super) const ROOT: Inode = 0;

/// The files and directories at one moment. Copies share their contents.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) files: BTreeMap<Inode, Arc<Content>>,
    pub(super) dirs: BTreeMap<Inode, Arc<BTreeMap<String, Inode>>>,
}

impl Default for Image {
    fn default() -> Image {
        Image {
            files: BTreeMap::new(),
            dirs: BTreeMap::from([(ROOT, Arc::default())]),
        }
    }
}

impl Image {
    pub(super) fn resolve(&self, path: &Path) -> io::Result<Inode> {
        let mut at = ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            let dir = self.dirs.get(&at).ok_or(io::ErrorKind::NotADirectory)?;
            let name = name.to_str().ok_or(io::ErrorKind::NotFound)?;
            at = *dir.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The directory that contains, or could contain, `path`, and the name in it.
    pub(super) fn resolve_parent(&self, path: &Path) -> io::Result<(Inode, String)> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.resolve(path.parent().unwrap_or(Path::new("")))?;
        if self.dirs.contains_key(&dir) {
            Ok((dir, name.to_owned()))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// The file or directory with this name in `dir`.
    pub(super) fn find(&self, dir: Inode, name: &str) -> io::Result<Inode> {
        self.lookup(dir, name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The directory that contains this one.
    pub(super) fn parent_of(&self, dir: Inode) -> Option<Inode> {
        let contains = |names: &BTreeMap<String, Inode>| names.values().any(|inode| *inode == dir);
        self.dirs
            .iter()
            .find_map(|(parent, names)| contains(names).then_some(*parent))
    }

    pub(super) fn lookup(&self, dir: Inode, name: &str) -> Option<Inode> {
        self.dirs.get(&dir)?.get(name).copied()
    }

    /// Makes `name` in `dir` refer to `inode`, or removes the name.
    pub(super) fn link(&mut self, dir: Inode, name: &str, inode: Option<Inode>) {
        // The directory itself may have been lost.
        let Some(names) = self.dirs.get_mut(&dir) else {
            return;
        };
        let names = Arc::make_mut(names);
        match inode {
            Some(inode) => {
                // A file has one name, whatever the order in which its renames reached the medium.
                names.retain(|_, other| *other != inode);
                names.insert(name.to_owned(), inode);
            }
            None => {
                names.remove(name);
            }
        }
    }

    /// The files and directories with their paths, each directory before its contents.
    pub(super) fn walk(&self) -> Vec<(String, Inode)> {
        let mut found = vec![(String::new(), ROOT)];
        let mut done = 0;
        while let Some((path, inode)) = found.get(done).cloned() {
            let names = self.dirs.get(&inode).into_iter().flat_map(|names| names.iter());
            found.extend(names.map(|(name, inode)| (format!("{path}/{name}"), *inode)));
            done += 1;
        }
        found
    }

    /// Drops the files and directories without a name.
    pub(super) fn prune(&mut self) {
        let mut named = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(dir) = open.pop() {
            let inodes = self.dirs.get(&dir).into_iter().flat_map(|names| names.values());
            open.extend(inodes.filter(|inode| named.insert(**inode)));
        }
        self.files.retain(|inode, _| named.contains(inode));
        self.dirs.retain(|inode, _| named.contains(inode));
    }

    /// A hash of all names and bytes.
    pub(super) fn hash(&self) -> u64 {
        self.hash_dir(ROOT, 0)
    }

    /// A hash of the contents of one directory; 0 if it does not exist.
    pub(super) fn hash_in(&self, dir: &Path) -> u64 {
        self.resolve(dir).map_or(0, |dir| self.hash_dir(dir, 1))
    }

    fn hash_dir(&self, dir: Inode, seed: u64) -> u64 {
        let names = self.dirs.get(&dir).into_iter().flat_map(|names| names.iter());
        names.fold(seed, |hash, (name, inode)| {
            let hash = xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), hash);
            match self.files.get(inode) {
                Some(content) => content.hash(hash),
                None => self.hash_dir(*inode, hash.rotate_left(1)).rotate_left(1),
            }
        })
    }
}
