//! Looking messages up, by offset, key and time.

use duramen::{Error, Log, Message, Timestamp};

use super::{From, World, timestamp};

impl World {
    pub(crate) fn consume_by_key(&self, key: &[u8], from: From, max_count: usize) {
        let batch = self.log.consume_by_key(key, from.start(), max_count);
        if !self.settings.key_index {
            assert!(matches!(batch, Err(Error::NoIndex { .. })), "{batch:?}");
            return;
        }
        let Some(first) = self.resolve(from, batch.as_ref().err()) else {
            return;
        };
        let batch = batch.expect("a start within the log");
        let rest = self.published[first..].iter();
        let wanted: Vec<_> = rest
            .filter(|message| message.key.as_deref() == Some(key))
            .collect();
        let found: Vec<_> = batch.messages.iter().collect();
        assert!(found.len() <= max_count && wanted.starts_with(&found));
        // Up to where it says that it looked, it has left nothing out.
        let upto = wanted
            .iter()
            .filter(|message| message.offset < batch.next_offset)
            .count();
        assert_eq!(upto, found.len());
        let begin = self.begin(from);
        assert!(batch.next_offset >= begin && batch.next_offset <= self.next_offset());
        assert!(
            max_count == 0 || !found.is_empty() || batch.next_offset > begin || first == self.published.len()
        );
    }

    pub(crate) fn get(&self, from: From) {
        let got = self.log.get(from.start());
        let len = self.published.len();
        let wanted = match from {
            From::Newest | From::Last(0) => len.checked_sub(1),
            From::At(at) => {
                let at = u64::from(at);
                if !(self.start..self.next).contains(&at) {
                    assert!(matches!(got, Err(Error::OffsetOutOfRange { .. })), "{got:?}");
                    return;
                }
                self.published
                    .binary_search_by_key(&at, |message| message.offset)
                    .ok()
            }
            From::Time(time) if self.settings.time_index => self.first_at_or_after(timestamp(time)),
            _ => match self.resolve(from, got.as_ref().err()) {
                Some(at) => Some(at).filter(|at| *at < len),
                None => return,
            },
        };
        self.is(got, wanted);
    }

    fn is(&self, got: Result<Message, Error>, wanted: Option<usize>) {
        match wanted {
            Some(at) => assert_eq!(got.expect("a message"), self.published[at]),
            None => assert!(matches!(got, Err(Error::NotFound)), "{got:?}"),
        }
    }

    pub(crate) fn get_by_key(&self, key: &[u8]) {
        let got = self.log.get_by_key(key);
        if !self.settings.key_index {
            assert!(matches!(got, Err(Error::NoIndex { .. })), "{got:?}");
            return;
        }
        let wanted = self
            .published
            .iter()
            .rposition(|message| message.key.as_deref() == Some(key));
        self.is(got, wanted);
    }

    pub(crate) fn get_by_time(&self, time: Timestamp) {
        let got = self.log.get_by_time(time);
        if !self.settings.time_index {
            assert!(matches!(got, Err(Error::NoIndex { .. })), "{got:?}");
            return;
        }
        self.is(got, self.first_at_or_after(time));
    }

    pub(crate) fn scan(&self, from: From) {
        let scan = self.log.scan(from.start());
        let Some(first) = self.resolve(from, scan.as_ref().err()) else {
            return;
        };
        let mut scan = scan.expect("a start within the log");
        for message in &self.published[first..] {
            let found = scan
                .next()
                .expect("a message in order")
                .expect("one more message");
            assert_eq!(found.offset, message.offset);
            assert_eq!(found.key, message.key.as_deref());
            assert_eq!(found.value, message.value.as_deref());
        }
        assert!(scan.next().expect("the end").is_none());
    }
}
