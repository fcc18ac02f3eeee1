//! Lines of the standard input, with pauses reported.

use std::os::fd::AsFd;
use std::time::Instant;

use duramen::MESSAGE_SIZE_MAX;

use crate::failure::Failure;
use crate::streams::{self, Got};

/// The size of one read.
const BLOCK_SIZE: usize = 64 << 10;

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
    /// A signal has come. Lines that are not complete are left.
    Signal,
    /// The input has ended.
    End,
}

/// Reads lines.
pub(crate) struct Lines<F> {
    input: F,
    block: Vec<u8>,
    /// Unread bytes begin at `begin`. There is no line ending among them before `scanned`.
    buffer: Vec<u8>,
    begin: usize,
    scanned: usize,
    number: u64,
}

impl<F: AsFd> Lines<F> {
    pub(crate) fn of(input: F) -> Lines<F> {
        Lines {
            input,
            block: vec![0; BLOCK_SIZE],
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
            match streams::read(self.input.as_fd(), &mut self.block, deadline) {
                Ok(Got::Bytes(0)) if self.begin < self.buffer.len() => {
                    return Ok(self.give_out(self.buffer.len(), self.buffer.len()));
                }
                Ok(Got::Bytes(0)) => return Ok(Event::End),
                Ok(Got::Bytes(len)) => self.append(len),
                Ok(Got::Nothing) => return Ok(Event::Pause),
                Ok(Got::Signal) => return Ok(Event::Signal),
                Err(error) => {
                    return Err(Failure::Io {
                        operation: "read the standard input",
                        source: error.into(),
                    });
                }
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

    /// Takes over the first bytes of the block.
    fn append(&mut self, len: usize) {
        self.buffer.drain(..self.begin);
        self.scanned -= self.begin;
        self.begin = 0;
        let read = self.block.get(..len).unwrap_or_default();
        self.buffer.extend_from_slice(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, PipeWriter, Write as _};
    use std::time::Duration;

    fn pieces() -> (PipeWriter, Lines<PipeReader>) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        (writer, Lines::of(reader))
    }

    fn line(event: &Event<'_>) -> Option<(u64, Vec<u8>)> {
        match event {
            Event::Line { number, bytes } => Some((*number, bytes.to_vec())),
            Event::Pause | Event::Signal | Event::End => None,
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(5)
    }

    /// The lines do not depend on how the input is split, and the last line needs no line ending.
    #[test]
    fn lines_do_not_depend_on_how_the_input_is_cut() {
        let text = b"one\n\nthree is longer\r\nfour";
        let expected: [&[u8]; 4] = [b"one", b"", b"three is longer\r", b"four"];
        for size in 1..=text.len() {
            let (mut writer, mut lines) = pieces();
            let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
            for piece in text.chunks(size) {
                writer.write_all(piece).expect("a pipe");
                found.extend(line(&lines.next(Some(soon())).expect("no error")));
            }
            drop(writer);
            while found.len() < expected.len() {
                found.extend(line(&lines.next(None).expect("no error")));
            }
            let expected: Vec<_> = (1..).zip(expected.map(<[u8]>::to_vec)).collect();
            assert_eq!(found, expected);
            assert_eq!(lines.next(None).expect("no error"), Event::End);
        }
    }

    /// A pause is reported when the deadline passes, even in the middle of a line, and loses
    /// nothing.
    #[test]
    fn a_pause_is_told_and_loses_nothing() {
        let (mut writer, mut lines) = pieces();
        assert_eq!(lines.next(Some(soon())).expect("no error"), Event::Pause);
        writer.write_all(b"a\nhal").expect("a pipe");
        let event = lines.next(None).expect("no error");
        assert_eq!(
            event,
            Event::Line {
                number: 1,
                bytes: b"a"
            }
        );
        assert_eq!(lines.next(Some(soon())).expect("no error"), Event::Pause);
        writer.write_all(b"f\n").expect("a pipe");
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
