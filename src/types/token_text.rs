use std::str::FromStr;

use super::Token;
use crate::{Error, Result};

impl Token {
    /// The token with this text.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the text is longer than [`LEN_MAX`](Token::LEN_MAX) bytes.
    pub fn new(text: &str) -> Result<Token> {
        Token::of_text(text).ok_or(Error::Invalid("a token has at most 36 bytes"))
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Token> {
        Token::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_at_most_36_bytes() {
        let longest = "é".repeat(18);
        assert_eq!(Token::new(&longest).expect("36 bytes").as_str(), longest);
        assert!(matches!(
            Token::new(&(longest + "a")),
            Err(crate::Error::Invalid(_))
        ));
        assert_eq!(Token::new("").expect("empty"), Token::EMPTY);
        assert_eq!(format!("{:?}", Token::new("a").expect("short")), "Token(\"a\")");
    }

    #[test]
    fn a_zero_at_the_end_is_part_of_the_token() {
        assert_ne!(Token::new("a\0").expect("short"), Token::new("a").expect("short"));
    }
}
