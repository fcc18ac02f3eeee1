//! The note of how far a log is durable: a writer leaves it where no marker can say so.

use std::thread;

use parking_lot::Mutex;

use super::files::Directory;
use crate::format::{DurableNote, Meta, NOTE_LEN, NOTE_NAME};
use crate::sys::{Dir, File, Open, UNKNOWN_BOOT, found};
use crate::{LifeId, Result};

/// A writer's note. Its file is created when there is something to note.
#[derive(Debug)]
pub(crate) struct NoteToReaders {
    life: LifeId,
    written: Mutex<Written>,
}

#[derive(Debug)]
enum Written {
    Nothing,
    UpTo {
        file: File,
        boot: [u8; 16],
        offset: u64,
    },
    /// The log was closed, and nothing is noted any more.
    Closed,
}

impl NoteToReaders {
    /// Of a log that is in this life as long as it is open.
    pub(crate) fn new(life: LifeId) -> NoteToReaders {
        NoteToReaders {
            life,
            written: Mutex::new(Written::Nothing),
        }
    }

    /// Notes that everything below `offset` is on stable storage.
    ///
    /// If this fails, most likely because there is no block for it, readers do without: the next
    /// marker or frame tells them, or the next writer.
    pub(crate) fn write(&self, directory: &Directory, offset: u64) -> Result<()> {
        let written = &mut *self.written.lock();
        if let Written::Nothing = written {
            *written = Written::UpTo {
                file: directory.dir.create_anew(NOTE_NAME)?,
                boot: directory.dir.boot_id(),
                offset: 0,
            };
        }
        // Two threads may come here in another order than their syncs ended in.
        if let Written::UpTo {
            file,
            boot,
            offset: before,
        } = written
            && offset > *before
        {
            let note = DurableNote {
                log_id: directory.log_id,
                life: self.life,
                boot: *boot,
                offset,
            };
            file.write_at(0, &note.encode())?;
            *before = offset;
        }
        Ok(())
    }

    /// Removes the note, because the log is closed.
    pub(crate) fn close(&self, dir: &Dir) {
        let written = std::mem::replace(&mut *self.written.lock(), Written::Closed);
        if let Written::UpTo { .. } = written {
            // What is left counts for nothing.
            let _ = dir.remove(NOTE_NAME);
        }
    }
}

/// The note as a reader found it, and the boot in which the reader runs.
#[derive(Debug, Default)]
pub(crate) struct SeenNote(Option<(File, [u8; 16])>);

impl SeenNote {
    pub(crate) fn open(dir: &Dir) -> Result<SeenNote> {
        let file = found(dir.open(NOTE_NAME, Open::Read))?;
        Ok(SeenNote(file.map(|file| (file, dir.boot_id()))))
    }

    /// The offset below which everything is on stable storage, by the note; 0 if there is none that
    /// counts for the log with this metadata, in this boot.
    pub(crate) fn offset(&self, meta: &Meta) -> Result<u64> {
        const ATTEMPTS_MAX: u32 = 1000;
        let Some((file, boot)) = &self.0 else { return Ok(0) };
        let mut bytes = [0; NOTE_LEN];
        for _ in 0..ATTEMPTS_MAX {
            if file.read_at(0, &mut bytes)? < NOTE_LEN {
                return Ok(0);
            }
            if let Some(note) = DurableNote::decode(&bytes) {
                let counts = note.log_id == meta.log_id
                    && note.life == meta.lives.current().id
                    && note.boot == *boot
                    && note.boot != UNKNOWN_BOOT;
                return Ok(if counts { note.offset } else { 0 });
            }
            // Somebody is writing it.
            thread::yield_now();
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ControlState;
    use crate::format::{IndexKinds, Life, Lives};
    use crate::sys::{FileId, Os, Storage};

    const LIFE: LifeId = LifeId::from_bytes([2; 16]);

    fn meta(log_id: [u8; 16], life: LifeId) -> Meta {
        Meta {
            log_id,
            sequence: 1,
            start_offset: 0,
            next_offset: 0,
            key_index: false,
            time_index: false,
            visible_is_durable: true,
            has_gaps: false,
            unfinished: false,
            incomplete: false,
            merge: None,
            boot: [0; 16],
            lock: FileId::default(),
            lives: Lives::new(Life { id: life, begin: 0 }, 0),
            clean: None,
            control: (0, ControlState::default()),
        }
    }

    #[test]
    fn a_note_counts_in_its_log_life_and_boot_until_the_log_is_closed() {
        let home = tempfile::tempdir().expect("a folder");
        let dir = Os.open_dir(home.path()).expect("a directory");
        let directory = Directory::new(dir.clone(), [1; 16], IndexKinds::default(), true);
        let seen = |meta: &Meta| {
            let note = SeenNote::open(&dir).expect("a look");
            note.offset(meta).expect("an offset")
        };
        let ours = meta([1; 16], LIFE);
        assert_eq!(seen(&ours), 0, "there is none");

        let note = NoteToReaders::new(LIFE);
        note.write(&directory, 7).expect("written");
        note.write(&directory, 5).expect("written");
        assert_eq!(seen(&ours), 7, "it never goes back");
        let reader = SeenNote::open(&dir).expect("a look");
        note.write(&directory, 9).expect("written");
        assert_eq!(reader.offset(&ours).expect("an offset"), 9, "the same file");
        assert_eq!(seen(&meta([3; 16], LIFE)), 0, "of another log");
        assert_eq!(
            seen(&meta([1; 16], LifeId::from_bytes([3; 16]))),
            0,
            "of another life"
        );
        let rebooted = SeenNote(reader.0.map(|(file, _)| (file, [9; 16])));
        assert_eq!(rebooted.offset(&ours).expect("an offset"), 0, "of another boot");

        note.close(&dir);
        note.write(&directory, 11).expect("nothing to write any more");
        assert_eq!(found(dir.len_of(NOTE_NAME)).expect("a look"), None);

        // What a process has left that was killed is replaced.
        std::fs::write(home.path().join(NOTE_NAME), [7; 30]).expect("a file");
        assert_eq!(seen(&ours), 0, "damaged");
        NoteToReaders::new(LIFE).write(&directory, 4).expect("written");
        assert_eq!(seen(&ours), 4);
    }
}
