use std::sync::Arc;

use super::content::Content;
use super::image::{Image, Inode};
use super::op::Op;

impl Image {
    /// Applies all of `op`.
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::CreateDir { dir, name, inode } => {
                self.dirs.insert(*inode, Arc::default());
                self.link(*dir, name, Some(*inode));
            }
            Op::Create { dir, name, inode } => {
                self.files.insert(*inode, Arc::default());
                self.link(*dir, name, Some(*inode));
            }
            Op::Rename {
                from_dir,
                from,
                to_dir,
                to,
                inode,
                ..
            } => {
                self.link(*from_dir, from, None);
                self.link(*to_dir, to, Some(*inode));
            }
            Op::Unlink { dir, name } => self.link(*dir, name, None),
            Op::Write {
                inode,
                position,
                data,
                grows,
            } => {
                let content = self.file_mut(*inode);
                content.put(*position, data, 0, data.len());
                if let Some(len) = grows {
                    content.set_len(*len);
                }
            }
            Op::Store {
                inode,
                position,
                data,
            } => {
                self.file_mut(*inode).put(*position, data, 0, data.len());
            }
            Op::SetLen { inode, len } => self.file_mut(*inode).set_len(*len),
            Op::SyncDir { .. } | Op::Sync { .. } | Op::Note(_) => {}
        }
    }

    pub(super) fn file_mut(&mut self, inode: Inode) -> &mut Content {
        Arc::make_mut(self.files.entry(inode).or_default())
    }
}
