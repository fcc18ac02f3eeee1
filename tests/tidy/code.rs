//! Enough of Rust's grammar to tell code from comments and strings.

/// A piece of code: a name, a number or one other character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

/// A file's code without its comments; each string and character literal is the token `""`.
pub(crate) struct Code {
    pub(crate) tokens: Vec<Token>,
}

impl Code {
    pub(crate) fn new(text: &str) -> Code {
        let mut lexer = Lexer {
            rest: text,
            line: 1,
            tokens: Vec::new(),
        };
        while lexer.step() {}
        Code { tokens: lexer.tokens }
    }

    pub(crate) fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(0, |token| token.line)
    }

    /// Whether these tokens begin at `at`.
    pub(crate) fn has(&self, at: usize, tokens: &[&str]) -> bool {
        tokens
            .iter()
            .enumerate()
            .all(|(n, token)| self.text(at + n) == *token)
    }

    /// Where these tokens begin.
    pub(crate) fn find<'a>(&'a self, tokens: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
        (0..self.tokens.len()).filter(move |at| self.has(*at, tokens))
    }

    /// The bracket that closes the one at `at`; the end if there is none.
    pub(crate) fn closing(&self, at: usize) -> usize {
        let mut depth = 0;
        for (n, token) in self.tokens.iter().enumerate().skip(at) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return n;
            }
        }
        self.tokens.len()
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Takes in one token or comment; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(block_comment_len(self.rest));
        } else if let Some(len) = string_len(self.rest) {
            self.push("\"\"", len);
        } else if first == '\'' {
            match char_len(self.rest) {
                Some(len) => self.push("\"\"", len),
                None => self.push("'", 1),
            }
        } else if first.is_alphanumeric() || first == '_' {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let len = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
            let word = self.rest[..len].to_owned();
            self.push(&word, len);
        } else {
            self.push(&first.to_string(), first.len_utf8());
        }
        true
    }

    fn push(&mut self, text: &str, len: usize) {
        self.tokens.push(Token {
            text: text.to_owned(),
            line: self.line,
        });
        self.skip(len);
    }

    fn skip(&mut self, len: usize) {
        let (skipped, rest) = self.rest.split_at(len);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let (step, change) = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string literal that `text` begins with.
fn string_len(text: &str) -> Option<usize> {
    let prefix = text.find(|c: char| !"bcr".contains(c))?;
    let (kind, rest) = text.split_at(prefix);
    if !["", "b", "c", "r", "br", "cr"].contains(&kind) {
        return None;
    }
    if kind.ends_with('r') {
        let hashes = rest.find(|c| c != '#')?;
        let body = rest[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", &rest[..hashes]);
        let len = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix + hashes + 1 + len);
    }
    let mut chars = rest.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// The length of the character literal that `text` begins with; a lifetime is none.
fn char_len(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    if chars.next()?.1 == '\\' {
        // An escape ends at the next quote that is not the escaped character.
        chars.next()?;
        return text.get(3..)?.find('\'').map(|at| at + 4);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

#[test]
fn comments_and_literals_are_told_from_code() {
    let text = r##"
        // unsafe
        /* unsafe /* nested */ unsafe */
        let a: &'static str = "unsafe \" unsafe"; // unsafe
        let b = (b"unsafe", r#"unsafe " unsafe"#, 'u', '\'', '\u{75}', b'"');
        end
    "##;
    let code = Code::new(text);
    let found: Vec<&str> = code.tokens.iter().map(|token| token.text.as_str()).collect();
    let wanted =
        "let a : & ' static str = \"\" ; let b = ( \"\" , \"\" , \"\" , \"\" , \"\" , b \"\" ) ; end";
    assert_eq!(found.join(" "), wanted);
    assert_eq!(code.tokens.last().map(|token| token.line), Some(6));
}
