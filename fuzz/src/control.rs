//! What the control records and the producers of a log have come to, as the log has to see it.

use duramen::{Ack, Error, FileLog, Log, NewMessage, PublishOptions, Token};

/// Something that a batch has done, and the offset at which the batch ends.
#[derive(Clone, Copy, Debug)]
enum Event {
    Fence(Token),
    Seal(bool),
    Produced { id: u64, sequence: u64, start: u64 },
}

/// All that was done, in order.
#[derive(Debug, Default)]
pub struct ControlModel(Vec<(u64, Event)>);

/// One of a few tokens.
pub fn token(number: u8) -> Token {
    match number % 4 {
        0 => Token::EMPTY,
        number => Token::new(&"t".repeat(usize::from(number) * 12)).expect("36 bytes"),
    }
}

impl ControlModel {
    pub fn fenced(&mut self, end: u64, token: Token) {
        self.0.push((end, Event::Fence(token)));
    }

    pub fn sealed(&mut self, end: u64, is_sealed: bool) {
        self.0.push((end, Event::Seal(is_sealed)));
    }

    pub fn produced(&mut self, ack: &Ack, id: u64, sequence: u64) {
        let start = ack.start.offset;
        self.0
            .push((ack.end.offset, Event::Produced { id, sequence, start }));
    }

    /// Forgets what was done behind this offset.
    pub fn cut(&mut self, next: u64) {
        self.0.retain(|(end, _)| *end <= next);
    }

    pub fn token(&self) -> Token {
        let tokens = self.0.iter().filter_map(|(_, event)| match event {
            Event::Fence(token) => Some(*token),
            _ => None,
        });
        tokens.last().unwrap_or_default()
    }

    pub fn is_sealed(&self) -> bool {
        let seals = self.0.iter().filter_map(|(_, event)| match event {
            Event::Seal(is_sealed) => Some(*is_sealed),
            _ => None,
        });
        seals.last().unwrap_or(false)
    }

    /// Where a producer's batch is, if this sequence was published before; an error if it is too old.
    pub fn known(&self, wanted: u64, sequence: u64) -> Result<Option<(u64, u64)>, ()> {
        let batches = self.0.iter().filter_map(|(end, event)| match event {
            Event::Produced { id, sequence, start } if *id == wanted => Some((*sequence, (*start, *end))),
            _ => None,
        });
        let batches: Vec<_> = batches.collect();
        let last = &batches[batches.len().saturating_sub(64)..];
        match last.last() {
            Some((highest, _)) if sequence <= *highest => {
                let found = last.iter().find(|(known, _)| *known == sequence);
                found.map(|(_, places)| Some(*places)).ok_or(())
            }
            _ => Ok(None),
        }
    }

    /// Checks what the log says of itself, and that it refuses what it has to.
    pub fn check(&self, log: &FileLog) {
        let held = self.token();
        assert_eq!(log.token().expect("an open log"), held);
        assert_eq!(log.is_sealed().expect("an open log"), self.is_sealed());
        let other = Token::new("another").expect("short");
        let refused = log.append(&[NewMessage::value(b"")], &PublishOptions::new().token(other));
        match refused {
            Err(Error::Sealed) => assert!(self.is_sealed()),
            Err(Error::Fenced { actual, .. }) => assert!(*actual == held && !self.is_sealed()),
            // Open for reading only.
            Err(Error::ReadOnly) => {}
            other => panic!("{other:?}"),
        }
    }
}
