//! Lines of the standard input, with pauses reported.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use duramen::MESSAGE_SIZE_MAX;

use crate::failure::Failure;

/// The size of one read, and the number of blocks that may wait to be processed.
const BLOCK_SIZE: usize = 64 << 10;
const BLOCKS_MAX: usize = 16;

/// The longest line. JSON takes six bytes at most for one byte of a message; the rest is for the
/// names and brackets.
const LINE_SIZE_MAX: usize = 385 << 20;
const _: () = assert!(LINE_SIZE_MAX as u64 > 6 * MESSAGE_SIZE_MAX);

/// What comes next from the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A line without its line ending. The first line is number 1.
    Line { number: u64, bytes: &'a [u8] },
    /// No line was complete by the deadline.
    Pause,
    /// The input has ended.
    End,
}

/// Input that is read in a thread of its own, or here.
type Shared = Arc<Mutex<dyn Read + Send>>;

/// Where blocks of input come from.
enum Blocks {
    /// From a separate thread, because a read itself cannot have a time limit.
    Thread(Receiver<io::Result<Vec<u8>>>),
    /// From this thread, if the system has no other to spare.
    Here(Shared),
}

/// Reads lines.
pub(crate) struct Lines {
    blocks: Blocks,
    /// Unread bytes begin at `begin`. There is no line ending among them before `scanned`.
    buffer: Vec<u8>,
    begin: usize,
    scanned: usize,
    number: u64,
}

impl Lines {
    pub(crate) fn of(input: impl Read + Send + 'static) -> Lines {
        let (sender, blocks) = sync_channel(BLOCKS_MAX);
        let input: Shared = Arc::new(Mutex::new(input));
        let shared = Arc::clone(&input);
        // The thread is not joined: after an error it may wait for input for ever, and the process
        // exits without it.
        let started = thread::Builder::new().spawn(move || read_blocks(&shared, &sender));
        Lines::from_blocks(match started {
            Ok(_) => Blocks::Thread(blocks),
            Err(_) => Blocks::Here(input),
        })
    }

    fn from_blocks(blocks: Blocks) -> Lines {
        Lines {
            blocks,
            buffer: Vec::new(),
            begin: 0,
            scanned: 0,
            number: 0,
        }
    }

    /// Returns the next line. Waits until `deadline`, or without a limit if there is none. A line
    /// that has already been read is returned even after the deadline.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Result<Event<'_>, Failure> {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            if let Some(len) = rest.iter().position(|byte| *byte == b'\n') {
                let end = self.scanned + len;
                return Ok(self.give_out(end, end + 1));
            }
            self.scanned = self.buffer.len();
            if self.scanned - self.begin > LINE_SIZE_MAX {
                return Err(Failure::Line {
                    number: self.number + 1,
                    reason: format!("longer than {LINE_SIZE_MAX} bytes"),
                });
            }
            match self.blocks.next(deadline) {
                Ok(Ok(bytes)) => self.append(&bytes),
                Ok(Err(source)) => {
                    return Err(Failure::Io {
                        operation: "read the standard input",
                        source,
                    });
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Event::Pause),
                Err(RecvTimeoutError::Disconnected) if self.begin < self.buffer.len() => {
                    return Ok(self.give_out(self.buffer.len(), self.buffer.len()));
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Event::End),
            }
        }
    }

    fn give_out(&mut self, end: usize, next: usize) -> Event<'_> {
        let begin = std::mem::replace(&mut self.begin, next);
        self.scanned = next;
        self.number += 1;
        Event::Line {
            number: self.number,
            bytes: self.buffer.get(begin..end).unwrap_or_default(),
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.begin);
        self.scanned -= self.begin;
        self.begin = 0;
        self.buffer.extend_from_slice(bytes);
    }
}

impl Blocks {
    /// The next block, which is waited for until `deadline`; disconnected at the end of the input.
    fn next(&self, deadline: Option<Instant>) -> Result<io::Result<Vec<u8>>, RecvTimeoutError> {
        match (self, deadline) {
            (Blocks::Thread(blocks), None) => blocks.recv().map_err(RecvTimeoutError::from),
            // With a deadline in the past, this takes a block that is ready but does not wait for
            // one.
            (Blocks::Thread(blocks), Some(deadline)) => {
                blocks.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            // A read might take longer.
            (Blocks::Here(_), Some(_)) => Err(RecvTimeoutError::Timeout),
            (Blocks::Here(input), None) => read_block(input).ok_or(RecvTimeoutError::Disconnected),
        }
    }
}

/// Reads a block; `None` at the end of the input.
fn read_block(input: &Shared) -> Option<io::Result<Vec<u8>>> {
    let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
    let mut block = vec![0; BLOCK_SIZE];
    loop {
        match input.read(&mut block) {
            Ok(0) => return None,
            Ok(len) => {
                block.truncate(len);
                return Some(Ok(block));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

fn read_blocks(input: &Shared, sender: &SyncSender<io::Result<Vec<u8>>>) {
    while let Some(block) = read_block(input) {
        let is_last = block.is_err();
        if sender.send(block).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;
    use std::time::Duration;

    /// Input that arrives in the pieces that are sent.
    struct Pieces(Receiver<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.recv().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn pieces() -> (Sender<Vec<u8>>, Lines) {
        let (sender, receiver) = std::sync::mpsc::channel();
        (sender, Lines::of(Pieces(receiver)))
    }

    /// The lines do not depend on how the input is split, and the last line needs no line ending.
    #[test]
    fn lines_do_not_depend_on_how_the_input_is_cut() {
        let text = b"one\n\nthree is longer\r\nfour";
        let expected: [&[u8]; 4] = [b"one", b"", b"three is longer\r", b"four"];
        for size in 1..=text.len() {
            let (sender, mut lines) = pieces();
            for piece in text.chunks(size) {
                sender.send(piece.to_vec()).expect("the reader lives");
            }
            drop(sender);
            for (number, bytes) in (1..).zip(expected) {
                assert_eq!(lines.next(None).expect("no error"), Event::Line { number, bytes });
            }
            assert_eq!(lines.next(None).expect("no error"), Event::End);
        }
    }

    /// Without a thread, lines are the same, and there is a pause instead of every wait.
    #[test]
    fn lines_are_read_without_a_thread() {
        let input: Shared = Arc::new(Mutex::new(io::Cursor::new(b"a\nb\nhalf".to_vec())));
        let mut lines = Lines::from_blocks(Blocks::Here(input));
        let soon = || Some(Instant::now() + Duration::from_secs(60));
        assert_eq!(lines.next(soon()).expect("no error"), Event::Pause);
        for (number, bytes, deadline) in [(1, &b"a"[..], None), (2, b"b", soon()), (3, b"half", None)] {
            let event = lines.next(deadline).expect("no error");
            assert_eq!(event, Event::Line { number, bytes });
        }
        assert_eq!(lines.next(None).expect("no error"), Event::End);
    }

    /// A pause is reported when the deadline passes, even in the middle of a line, and loses
    /// nothing.
    #[test]
    fn a_pause_is_told_and_loses_nothing() {
        let (sender, mut lines) = pieces();
        let soon = || Some(Instant::now() + Duration::from_millis(5));
        assert_eq!(lines.next(soon()).expect("no error"), Event::Pause);
        sender.send(b"a\nhal".to_vec()).expect("the reader lives");
        let event = lines.next(None).expect("no error");
        assert_eq!(
            event,
            Event::Line {
                number: 1,
                bytes: b"a"
            }
        );
        assert_eq!(lines.next(soon()).expect("no error"), Event::Pause);
        sender.send(b"f\n".to_vec()).expect("the reader lives");
        let event = lines.next(None).expect("no error");
        assert_eq!(
            event,
            Event::Line {
                number: 2,
                bytes: b"half"
            }
        );
    }
}
