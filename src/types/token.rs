use std::fmt;

/// A fencing token: a short text that says who may write to a log.
///
/// A log has one token, at first the empty one. [`Control::Fence`](crate::Control::Fence) sets
/// another, and a publish with [`PublishOptions::token`](crate::PublishOptions::token) succeeds
/// only while the log has that token. So a writer that was replaced can no longer write, even if
/// it does not know yet. The idea is that of S2's fencing tokens.
///
/// ```
/// use duramen::Token;
///
/// let token: Token = "writer-7".parse().unwrap();
/// assert_eq!(token.to_string(), "writer-7");
/// assert!(Token::EMPTY.is_empty() && token != Token::EMPTY);
/// assert!("x".repeat(37).parse::<Token>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Zeros behind the text.
    bytes: [u8; Token::LEN_MAX],
    len: u8,
}

impl Token {
    /// The largest token, in bytes of UTF-8: 36, as many as a UUID has in text.
    pub const LEN_MAX: usize = 36;

    /// The empty token, which every log has at first. It is a token like any other.
    pub const EMPTY: Token = Token {
        bytes: [0; Token::LEN_MAX],
        len: 0,
    };

    /// The token with this text; `None` if it is too long.
    pub(super) fn of_text(text: &str) -> Option<Token> {
        let mut token = Token::EMPTY;
        token
            .bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        token.len = u8::try_from(text.len()).ok()?;
        Some(token)
    }

    /// The token in these bytes; `None` if they are too many or no UTF-8.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Token> {
        Token::of_text(std::str::from_utf8(bytes).ok()?)
    }

    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The bytes came from a text.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether this is the empty token.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Token {
    fn default() -> Token {
        Token::EMPTY
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?})", self.as_str())
    }
}
