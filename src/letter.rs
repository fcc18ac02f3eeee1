//! L6: dead letters, the messages that nobody could deal with, in another log.

use crate::{Ack, Error, Log, Message, NewMessage, PublishOptions, Result};

/// The names of the headers that are about a letter, and not its message's, begin so.
const OWN: &[u8] = b"dead.";

/// Says that the message was too large for a letter, which has only a part of it.
pub(crate) const CUT: &[u8] = b"dead.cut";

/// A header that is about a letter.
pub(crate) type About<'a> = (&'static [u8], &'a [u8]);

/// Publishes a message as a letter, with what is said `about` it. Of a message that is as large as
/// can be, the letter has the key and headers, or only what is about it, and says so.
pub(crate) fn publish(
    log: &dyn Log,
    message: &Message,
    about: &[About<'_>],
    how: &PublishOptions<'_>,
) -> Result<Ack> {
    let mut headers = without_about(message);
    headers.extend(about);
    let letter = NewMessage {
        headers: &headers,
        ..message.as_new()
    };
    match log.append(&[letter], how) {
        Err(Error::TooLarge { .. }) => {}
        published => return published,
    }
    headers.push((CUT, b"value"));
    let letter = NewMessage {
        value: None,
        headers: &headers,
        ..message.as_new()
    };
    match log.append(&[letter], how) {
        Err(Error::TooLarge { .. }) => {}
        published => return published,
    }
    let mut headers = about.to_vec();
    headers.push((CUT, b"all"));
    let letter = NewMessage {
        time: Some(message.time),
        headers: &headers,
        ..NewMessage::default()
    };
    log.append(&[letter], how)
}

/// The headers of the message of a letter.
pub(crate) fn without_about(letter: &Message) -> Vec<(&[u8], &[u8])> {
    let headers = letter.headers.iter();
    headers.filter(|(name, _)| !name.starts_with(OWN)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MESSAGE_SIZE_MAX, MemoryLog, Start};

    const ABOUT: &[About<'_>] = &[(b"dead.offset", b"0")];

    /// What becomes of a message in a letter.
    fn letter_of(message: NewMessage<'_>) -> Message {
        let (source, dead) = (MemoryLog::new(), MemoryLog::new());
        source.publish(&[message]).expect("published");
        let message = source.get(Start::At(0)).expect("there");
        publish(&dead, &message, ABOUT, &PublishOptions::new()).expect("published");
        dead.get(Start::At(0)).expect("there")
    }

    #[test]
    fn a_letter_has_the_message_and_what_is_about_it() {
        let headers: &[(&[u8], &[u8])] = &[(b"name", b"h"), (b"dead.offset", b"of an earlier letter")];
        let letter = letter_of(NewMessage::new(b"k", b"v").headers(headers));
        assert_eq!(
            (letter.key.as_deref(), letter.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"v"[..]))
        );
        let headers: Vec<_> = letter.headers.iter().collect();
        assert_eq!(headers, [(&b"name"[..], &b"h"[..]), ABOUT[0]]);
        assert_eq!(without_about(&letter), [(&b"name"[..], &b"h"[..])]);
    }

    #[test]
    fn what_is_too_large_for_a_letter_is_cut_and_says_so() {
        let most = vec![b'x'; usize::try_from(MESSAGE_SIZE_MAX).expect("it fits") - 1];
        for (key, value, is_key_there, cut) in
            [(&b"k"[..], &most[..], true, "value"), (&most, b"v", false, "all")]
        {
            let letter = letter_of(NewMessage::new(key, value));
            assert_eq!(
                (letter.key.is_some(), letter.value.is_some()),
                (is_key_there, false)
            );
            assert_eq!(letter.headers.get(CUT), Some(cut.as_bytes()));
            assert_eq!(letter.headers.get(b"dead.offset"), Some(&b"0"[..]));
        }
    }
}
