//! The directories of a store.
//!
//! | directory | what is in it |
//! |---|---|
//! | `catalog` | a log |
//! | `streams/<id>/<partition>` | the log of a partition |
//! | `queues/<id>/<group>` | the state log of a work queue of a stream; the group's name is in hexadecimal |
//! | `intents` | a log of what is published to several partitions at once |
//! | `trash/<id>` | what is left of a stream that was deleted |
//! | `quarantine/<name>` | what was in `streams` and is not known to the catalog |

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::directory::corrupt;
use crate::sys::Dir;
use crate::types::StreamId;
use crate::{Corruption, Error, Result};

pub(super) const CATALOG: &str = "catalog";
const STREAMS: &str = "streams";
const INTENTS: &str = "intents";
const QUEUES: &str = "queues";
const TRASH: &str = "trash";
const QUARANTINE: &str = "quarantine";

/// The directories of a store that is open.
#[derive(Debug)]
pub(super) struct Layout {
    root: Dir,
    streams: Dir,
}

impl Layout {
    /// Finds the directories in `root`, or makes them.
    pub(super) fn make(root: &Dir) -> Result<Layout> {
        let (streams, _) = root.make_dir(STREAMS)?;
        // A process that made it may have been killed before its name was durable.
        root.sync()?;
        Ok(Layout {
            root: root.clone(),
            streams,
        })
    }

    /// Finds the directories in `root`, for reading only.
    pub(super) fn find(root: &Dir) -> Result<Layout> {
        let streams = root.enter(STREAMS)?.ok_or_else(|| missing(root, STREAMS))?;
        Ok(Layout {
            root: root.clone(),
            streams,
        })
    }

    /// Whether there are streams in `root`, of which a catalog must know.
    pub(super) fn has_streams(root: &Dir) -> Result<bool> {
        match root.enter(STREAMS)? {
            Some(streams) => Ok(!streams.list()?.is_empty()),
            None => Ok(false),
        }
    }

    /// The directory of the store.
    pub(super) fn root(&self) -> &Dir {
        &self.root
    }

    /// What is in the directory of all streams.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        self.streams.list()
    }

    /// The path of what has this name there, if there still is such.
    pub(super) fn still_has(&self, name: &str) -> Result<Option<PathBuf>> {
        let is_there = self.streams.list()?.iter().any(|found| found == name);
        Ok(is_there.then(|| self.streams.path_of(name)))
    }

    /// The partitions of a stream that have directories.
    pub(super) fn numbers(&self, id: StreamId) -> Result<BTreeSet<u32>> {
        let names = match self.streams.enter(&id.to_string())? {
            Some(stream) => stream.list()?,
            None => Vec::new(),
        };
        let number = |name: &String| {
            name.parse()
                .ok()
                .filter(|number: &u32| number.to_string() == *name)
        };
        Ok(names.iter().filter_map(number).collect())
    }

    /// The path of a partition in a store, for messages.
    pub(super) fn path_of(root: &Dir, id: StreamId, number: u32) -> PathBuf {
        let streams = root.path_of(STREAMS);
        streams.join(id.to_string()).join(number.to_string())
    }

    /// What is in the trash of a store.
    pub(super) fn trash_in(root: &Dir) -> Result<Vec<PathBuf>> {
        let Some(trash) = root.enter(TRASH)? else {
            return Ok(Vec::new());
        };
        let names = trash.list()?;
        Ok(names.iter().map(|name| trash.path_of(name)).collect())
    }

    /// Removes the directories of all streams but these; returns how many it has removed. They are
    /// gone on stable storage then.
    pub(super) fn keep_only(&self, is_kept: impl Fn(StreamId) -> bool) -> Result<u64> {
        let mut removed = 0;
        for name in self.streams.list()? {
            if StreamId::of_name(&name).is_some_and(|id| !is_kept(id)) {
                remove_tree(&self.streams, &name)?;
                removed += 1;
            }
        }
        // Also if none was: whoever removed some may have been killed before that was durable.
        self.streams.sync()?;
        Ok(removed)
    }

    /// Removes the directory of a partition.
    pub(super) fn remove_partition(&self, id: StreamId, number: u32) -> Result<()> {
        match self.streams.enter(&id.to_string())? {
            Some(stream) => remove_tree(&stream, &number.to_string()),
            None => Ok(()),
        }
    }

    /// Draws 128 random bits, which nothing else has.
    pub(super) fn random(&self) -> Result<[u8; 16]> {
        self.root.random()
    }

    /// Where the log of intents is, for messages.
    pub(super) fn intents_path(&self) -> PathBuf {
        self.root.path_of(INTENTS)
    }

    /// Whether there is a log of intents.
    pub(super) fn has_intents(&self) -> Result<bool> {
        Ok(Layout::intents_in(&self.root)?.is_some())
    }

    /// The directory of the log of intents of a store, if there is one.
    pub(super) fn intents_in(root: &Dir) -> Result<Option<Dir>> {
        root.enter(INTENTS)
    }

    /// Moves the log of intents of a store out of the way.
    pub(super) fn set_intents_aside(root: &Dir) -> Result<()> {
        set_aside(root, root, INTENTS).map(|_| ())
    }

    /// Removes the log of intents. It is gone on stable storage then.
    pub(super) fn remove_intents(&self) -> Result<()> {
        remove_tree(&self.root, INTENTS)?;
        self.root.sync()
    }

    /// The directory of the log of intents, whose name is durable.
    pub(super) fn make_intents(&self) -> Result<Dir> {
        let (dir, is_new) = self.root.make_dir(INTENTS)?;
        if !is_new {
            self.root.sync()?;
        }
        Ok(dir)
    }

    /// The directory of a partition, whose name is durable. `was_made` says that it must be there.
    pub(super) fn partition(&self, id: StreamId, number: u32, was_made: bool) -> Result<Dir> {
        let (stream, partition) = (id.to_string(), number.to_string());
        if was_made {
            let found = self.streams.enter(&stream)?;
            let found = found.map(|dir| dir.enter(&partition)).transpose()?.flatten();
            let lost = || missing(&self.streams, &format!("{stream}/{partition}"));
            return found.ok_or_else(lost);
        }
        let (dir, is_new) = self.streams.make_dir(&stream)?;
        if !is_new {
            self.streams.sync()?;
        }
        let (made, is_new) = dir.make_dir(&partition)?;
        if !is_new {
            dir.sync()?;
        }
        Ok(made)
    }

    /// The directory of a partition, if there is one.
    pub(super) fn find_partition(&self, id: StreamId, number: u32) -> Result<Option<Dir>> {
        let stream = self.streams.enter(&id.to_string())?;
        Ok(stream
            .map(|dir| dir.enter(&number.to_string()))
            .transpose()?
            .flatten())
    }

    /// The error for a partition that nobody has made.
    pub(super) fn no_log(&self, id: StreamId, number: u32) -> Error {
        let path = self.streams.path_of(&id.to_string()).join(number.to_string());
        Error::NoLog { path }
    }

    /// The directory of the state of a work queue, whose name is durable.
    pub(super) fn make_queue(&self, id: StreamId, group: &str) -> Result<Dir> {
        let mut dir = self.root.clone();
        for name in [QUEUES, &id.to_string(), group] {
            let (made, is_new) = dir.make_dir(name)?;
            if !is_new {
                dir.sync()?;
            }
            dir = made;
        }
        Ok(dir)
    }

    /// The work queues that have a state in a store: their streams, and the names of their
    /// directories.
    pub(super) fn queues_in(root: &Dir) -> Result<Vec<(StreamId, String, Dir)>> {
        let mut found = Vec::new();
        let Some(queues) = root.enter(QUEUES)? else {
            return Ok(found);
        };
        for name in queues.list()? {
            let stream = StreamId::of_name(&name).map(|id| Ok::<_, Error>((id, queues.enter(&name)?)));
            let Some((id, Some(stream))) = stream.transpose()? else {
                continue;
            };
            for group in stream.list()? {
                found.extend(stream.enter(&group)?.map(|dir| (id, group, dir)));
            }
        }
        Ok(found)
    }

    /// The directory of a stream's work queues, if it has any.
    fn queues(&self, id: StreamId) -> Result<Option<Dir>> {
        let queues = self.root.enter(QUEUES)?;
        let stream = queues.map(|queues| queues.enter(&id.to_string())).transpose()?;
        Ok(stream.flatten())
    }

    /// The names of the directories of a stream's work queues.
    pub(super) fn queues_of(&self, id: StreamId) -> Result<Vec<String>> {
        let Some(stream) = self.queues(id)? else {
            return Ok(Vec::new());
        };
        let mut names = stream.list()?;
        names.retain(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(names)
    }

    /// The directory of the state of a work queue that is there.
    pub(super) fn find_queue(&self, id: StreamId, group: &str) -> Result<Dir> {
        let dir = self.queues(id)?.map(|stream| stream.enter(group)).transpose()?;
        dir.flatten().ok_or_else(|| Error::NoLog {
            path: self.root.path_of(QUEUES).join(id.to_string()).join(group),
        })
    }

    /// Removes the states of all work queues but these. They are gone on stable storage then.
    pub(super) fn keep_queues(&self, is_kept: impl Fn(StreamId, &str) -> bool) -> Result<()> {
        for (id, group, dir) in Layout::queues_in(&self.root)? {
            drop(dir);
            if !is_kept(id, &group) {
                self.remove_queue(id, &group)?;
            }
        }
        Ok(())
    }

    /// Removes the state of a work queue.
    pub(super) fn remove_queue(&self, id: StreamId, group: &str) -> Result<()> {
        if let Some(stream) = self.queues(id)? {
            remove_tree(&stream, group)?;
            stream.sync()?;
        }
        Ok(())
    }

    /// Moves what the catalog does not know out of the way; returns the names it has there. Nothing
    /// is destroyed: it may be all that is left of a stream.
    pub(super) fn quarantine_unknown(&self, is_known: impl Fn(StreamId) -> bool) -> Result<Vec<String>> {
        let mut moved = Vec::new();
        for name in self.streams.list()? {
            if StreamId::of_name(&name).is_some_and(&is_known) {
                continue;
            }
            moved.push(set_aside(&self.root, &self.streams, &name)?);
        }
        Ok(moved)
    }

    /// Puts a stream into the trash. It is gone from the streams on stable storage then.
    pub(super) fn discard(&self, id: StreamId) -> Result<()> {
        let name = id.to_string();
        if self.streams.enter(&name)?.is_some() {
            let (trash, _) = self.root.make_dir(TRASH)?;
            self.streams.rename_into(&name, &trash, &name)?;
            trash.sync()?;
        }
        // Also if it was not there: whoever moved it may have been killed before that was durable.
        self.streams.sync()
    }

    /// Removes a stream that is in the trash, and its work queues.
    pub(super) fn empty_trash(&self, id: StreamId) -> Result<()> {
        if let Some(queues) = self.root.enter(QUEUES)? {
            remove_tree(&queues, &id.to_string())?;
        }
        match self.root.enter(TRASH)? {
            Some(trash) => remove_tree(&trash, &id.to_string()),
            None => Ok(()),
        }
    }

    /// Removes all that is in the trash: an earlier life has not come to it.
    pub(super) fn empty_all_trash(&self) -> Result<()> {
        let Some(trash) = self.root.enter(TRASH)? else {
            return Ok(());
        };
        trash
            .list()?
            .iter()
            .try_for_each(|name| remove_tree(&trash, name))
    }
}

/// Moves a directory to the quarantine of a store; returns the name that it has there.
fn set_aside(root: &Dir, parent: &Dir, name: &str) -> Result<String> {
    let (quarantine, _) = root.make_dir(QUARANTINE)?;
    let taken = quarantine.list()?;
    let (mut free, mut n) = (name.to_owned(), 1);
    while taken.contains(&free) {
        free = format!("{name}.{n}");
        n += 1;
    }
    parent.rename_into(name, &quarantine, &free)?;
    quarantine.sync()?;
    parent.sync()?;
    Ok(free)
}

/// Removes a directory with all that is in it, if it is there.
fn remove_tree(parent: &Dir, name: &str) -> Result<()> {
    let Some(dir) = parent.enter(name)? else {
        return Ok(());
    };
    for entry in dir.list()? {
        match dir.enter(&entry)? {
            Some(_) => remove_tree(&dir, &entry)?,
            None => dir.remove(&entry)?,
        }
    }
    parent.remove_dir(name)
}

/// The error for a directory that must be there and is not.
fn missing(parent: &Dir, name: &str) -> Error {
    corrupt(&parent.path_of(name), 0, None, Corruption::Directory)
}
