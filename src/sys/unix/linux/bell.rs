//! A page of a file by which one process wakes others.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use rustix::thread::futex;

use crate::sys::BELL_LEN;

/// How long who waits sleeps at a time on a system without futexes.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);

/// The first words of a file that several processes have mapped. Who waits says so in one word, and
/// sleeps as long as the other stays as it is.
///
/// Whoever may write to the file can wake the others, and can keep them from being woken. So nobody
/// relies on it: who waits looks again after a while.
///
/// The words are loaded through a mapping and written by calls: on a full disk, a store could kill
/// the process.
#[derive(Debug)]
pub(crate) struct Bell {
    map: MmapRaw,
    /// `None` once the file was let go.
    file: Mutex<Option<File>>,
}

/// Where the word is that counts how often it was rung, and the one that is not 0 if somebody may
/// be waiting.
const ROUNDS_AT: u64 = 0;
const AWAITED_AT: u64 = 4;

impl Bell {
    pub(crate) const IS_POSSIBLE: bool = true;

    /// The bell in a file that has [`BELL_LEN`] bytes and is never cut.
    pub(in crate::sys) fn of(file: &File) -> io::Result<Bell> {
        if file.metadata()?.len() < BELL_LEN {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut options = MmapOptions::new();
        options.len(usize::try_from(BELL_LEN).unwrap_or(0));
        Ok(Bell {
            map: options.map_raw_read_only(file)?,
            file: Mutex::new(Some(file.try_clone()?)),
        })
    }

    /// How often it was rung.
    fn rounds(&self) -> &AtomicU32 {
        self.word(ROUNDS_AT)
    }

    /// Not 0 if somebody may be waiting.
    fn awaited(&self) -> &AtomicU32 {
        self.word(AWAITED_AT)
    }

    fn word(&self, at: u64) -> &AtomicU32 {
        let at = usize::try_from(at).unwrap_or(0);
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins with a page")]
        let word = self.map.as_ptr().wrapping_add(at).cast::<AtomicU32>();
        // SAFETY: the mapping has `BELL_LEN` bytes, begins with a page and lasts as long as `self`.
        // `at` is 0 or 4. The words are only loaded, as atomics, for which all values are valid.
        #[expect(unsafe_code, reason = "the page is no Rust object")]
        unsafe {
            &*word
        }
    }

    /// Writes words. Where that fails, nobody is woken, and those who wait look again.
    fn write(&self, at: u64, words: &[u8]) {
        if let Some(file) = &*self.file.lock() {
            let _ = file.write_all_at(words, at);
        }
    }

    /// Announces somebody who waits; returns what [`wait`](Bell::wait) is to be told. The caller
    /// makes a fence, and then looks whether there is anything to wait for.
    pub(crate) fn listen(&self) -> u32 {
        let rounds = self.rounds().load(Ordering::Acquire);
        if self.awaited().load(Ordering::Relaxed) == 0 {
            self.write(AWAITED_AT, &1_u32.to_ne_bytes());
        }
        rounds
    }

    /// Sleeps until it is rung, and returns true, or until the deadline has passed.
    pub(crate) fn wait(&self, rounds: u32, deadline: Option<Instant>) -> bool {
        loop {
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
            let waited = futex::wait(self.rounds(), futex::Flags::empty(), rounds, timeout.as_ref());
            if self.rounds().load(Ordering::Relaxed) != rounds {
                return true;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return false;
            }
            // After a signal it goes on. A system that refuses does not keep the thread awake.
            if !matches!(waited, Ok(()) | Err(Errno::INTR | Errno::AGAIN | Errno::TIMEDOUT)) {
                thread::sleep(REFUSED_PAUSE);
            }
        }
    }

    /// Wakes who has announced itself. The caller has made the change, and then a fence.
    #[inline]
    pub(crate) fn ring_if_awaited(&self) {
        if self.awaited().load(Ordering::Relaxed) != 0 {
            self.ring();
        }
    }

    /// Lets go of the file: a page of memory takes its place, so that nobody who rings meanwhile
    /// touches what is not there.
    pub(crate) fn let_go(&self) {
        let (prot, flags) = (ProtFlags::READ, MapFlags::PRIVATE | MapFlags::FIXED);
        // SAFETY: the range is the whole of a mapping that `self` owns and that is only loaded
        // from. It stays mapped and readable, and `self` unmaps it when it is dropped.
        #[expect(unsafe_code, reason = "a mapping in the place of another")]
        let _ = unsafe { mmap_anonymous(self.map.as_mut_ptr().cast(), self.map.len(), prot, flags) };
        drop(self.file.lock().take());
    }

    /// Wakes all who wait. Two that ring at once may count as one: then somebody who began to wait
    /// in between looks again by itself.
    #[cold]
    pub(crate) fn ring(&self) {
        let rounds = self.rounds().load(Ordering::Relaxed).wrapping_add(1);
        let mut words = [0; 8];
        words[..4].copy_from_slice(&rounds.to_ne_bytes());
        self.write(ROUNDS_AT, &words);
        let _ = futex::wake(self.rounds(), futex::Flags::empty(), u32::MAX);
    }
}
