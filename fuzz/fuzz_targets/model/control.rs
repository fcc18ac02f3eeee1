//! Steps with control records and producers.

use duramen::{Ack, Control, Error, Log, PublishOptions, Token};
use duramen_fuzz::{Content, with_messages};

use super::World;

impl World {
    /// Appends to the log, unless it is sealed. Returns the ack; the messages are noted, and one offset for each
    /// control record.
    fn append(&mut self, contents: &[Content], how: &PublishOptions<'_>, controls: u64) -> Option<Ack> {
        let contents = &contents[..contents.len().min(40)];
        let ack = with_messages(contents, |messages| self.log.append(messages, how));
        if self.control.is_sealed() {
            assert!(matches!(ack, Err(Error::Sealed)), "{ack:?}");
            return None;
        }
        let ack = ack.expect("room for a batch");
        if ack.is_duplicate {
            return Some(ack);
        }
        assert_eq!(ack.start.offset, self.next);
        self.note(contents);
        self.next += controls;
        assert_eq!(ack.end.offset, self.next);
        Some(ack)
    }

    pub(crate) fn fence(&mut self, contents: &[Content], sets: Token, required: Option<Token>) {
        let how = PublishOptions::new().and(Control::Fence(sets));
        let held = self.control.token();
        if let Some(required) = required.filter(|required| *required != held) {
            let refused = self.log.append(&[], &how.token(required));
            match refused {
                Err(Error::Sealed) => assert!(self.control.is_sealed()),
                Err(Error::Fenced { expected, actual }) => assert_eq!((*expected, *actual), (required, held)),
                other => panic!("{other:?}"),
            }
            return;
        }
        if let Some(ack) = self.append(contents, &how, 1) {
            self.control.fenced(ack.end.offset, sets);
            self.follow_policy();
        }
    }

    pub(crate) fn seal(&mut self, contents: &[Content]) {
        if let Some(ack) = self.append(contents, &PublishOptions::new().and(Control::Seal), 1) {
            self.control.sealed(ack.end.offset, true);
            self.follow_policy();
        }
    }

    pub(crate) fn unseal(&mut self) {
        let was_sealed = self.control.is_sealed();
        self.log.unseal().expect("room for a record");
        if was_sealed {
            self.next += 1;
            self.control.sealed(self.next, false);
            self.follow_policy();
        }
    }

    pub(crate) fn trim_by_control(&mut self, before: u64) {
        if self
            .append(&[], &PublishOptions::new().and(Control::Trim(before)), 1)
            .is_some()
        {
            self.start = self.start.max(before.min(self.next));
            self.published = self.published.split_off(self.index_of(self.start));
            self.follow_policy();
            assert_eq!(self.log.start_offset().expect("an open log"), self.start);
        }
    }

    pub(crate) fn produce(&mut self, contents: &[Content], id: u64, sequence: u64) {
        if contents.is_empty() {
            return;
        }
        let how = PublishOptions::new().producer(id, sequence);
        if self.control.known(id, sequence).is_err() && !self.control.is_sealed() {
            let refused = with_messages(contents, |messages| self.log.append(messages, &how));
            assert!(matches!(refused, Err(Error::OutOfSequence { .. })), "{refused:?}");
            return;
        }
        let known = self.control.known(id, sequence).unwrap_or_default();
        let Some(ack) = self.append(contents, &how, 0) else {
            return;
        };
        assert_eq!(ack.is_duplicate, known.is_some());
        match known {
            Some(places) => assert_eq!((ack.start.offset, ack.end.offset), places),
            None => self.control.produced(&ack, id, sequence),
        }
        self.follow_policy();
    }
}
