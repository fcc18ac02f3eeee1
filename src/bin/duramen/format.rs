//! Output formats for messages.

use std::io::{self, Write};

use clap::ValueEnum;

use duramen::{Control, ControlRecord, Message};

use crate::delimiter::{self, Delimiter};
use crate::failure::Failure;
use crate::json;

#[derive(Debug, clap::Args)]
pub(crate) struct FormatArgs {
    /// The output format
    #[arg(long, value_enum, default_value_t = FormatName::Json)]
    format: FormatName,

    /// With --format raw, what to write behind each value; with --format text, what stands between
    /// fields in place of a tab; \n, \t, \0, \xHH and so on stand for bytes
    #[arg(long, value_name = "D", value_parser = delimiter::parse, allow_hyphen_values = true)]
    delimiter: Option<Delimiter>,
}

/// The output format of messages.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// One JSON object per line, as `publish` reads it, but for control records
    Json,
    /// One line per message with offset, time, key, value and headers (NAME=VALUE), separated by
    /// tabs; \N stands for an absent key or value, and unprintable bytes are escaped with a
    /// backslash; a control record has \control in place of the key, then what it does
    Text,
    /// Only the bytes of the values, with nothing between them unless --delimiter says so, and
    /// without control records
    Raw,
}

/// How messages are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format<'a> {
    kind: Kind<'a>,
    /// The partition that the messages are of, in a stream.
    partition: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Json,
    /// Lines of fields, with this between them.
    Text(&'a str),
    /// Values, with this behind each.
    Raw(&'a [u8]),
}

impl FormatArgs {
    pub(crate) fn format(&self) -> Result<Format<'_>, Failure> {
        Ok(Format {
            kind: self.kind()?,
            partition: None,
        })
    }

    fn kind(&self) -> Result<Kind<'_>, Failure> {
        let delimiter = self.delimiter.as_ref().map(|delimiter| delimiter.0.as_slice());
        match (self.format, delimiter) {
            (FormatName::Json, None) => Ok(Kind::Json),
            (FormatName::Json, Some(_)) => Err(Failure::Usage(
                "--delimiter is for --format text and raw".to_owned(),
            )),
            (FormatName::Text, delimiter) => match std::str::from_utf8(delimiter.unwrap_or(b"\t")) {
                Ok(text) if !text.contains(['\\', '\n']) => Ok(Kind::Text(text)),
                _ => Err(Failure::Usage(
                    "with --format text, --delimiter is UTF-8 without backslashes and line ends".to_owned(),
                )),
            },
            (FormatName::Raw, delimiter) => Ok(Kind::Raw(delimiter.unwrap_or_default())),
        }
    }
}

impl<'a> Format<'a> {
    /// The same for messages of this partition of a stream, which is then written, too.
    pub(crate) fn in_partition(self, partition: u32) -> Format<'a> {
        Format {
            partition: Some(partition),
            ..self
        }
    }

    pub(crate) fn write(self, out: &mut impl Write, message: &Message) -> io::Result<()> {
        match self.kind {
            Kind::Json => json::write(out, self.partition, message),
            Kind::Text(delimiter) => {
                self.write_partition(out, delimiter)?;
                write_text(out, message, delimiter)
            }
            Kind::Raw(delimiter) => {
                out.write_all(message.value.as_deref().unwrap_or_default())?;
                out.write_all(delimiter)
            }
        }
    }

    pub(crate) fn write_control(self, out: &mut impl Write, record: &ControlRecord) -> io::Result<()> {
        match self.kind {
            Kind::Json => json::write_control(out, self.partition, record),
            Kind::Text(delimiter) => {
                self.write_partition(out, delimiter)?;
                write_control_text(out, record, delimiter)
            }
            Kind::Raw(_) => Ok(()),
        }
    }

    /// Writes the first field of a line of text, if messages are of a partition.
    fn write_partition(self, out: &mut impl Write, delimiter: &str) -> io::Result<()> {
        match self.partition {
            Some(partition) => write!(out, "{partition}{delimiter}"),
            None => Ok(()),
        }
    }
}

fn write_text(out: &mut impl Write, message: &Message, delimiter: &str) -> io::Result<()> {
    write!(out, "{}{delimiter}{}", message.offset, message.time)?;
    for field in [&message.key, &message.value] {
        out.write_all(delimiter.as_bytes())?;
        match field {
            // As in PostgreSQL's COPY: a backslash in data is always doubled, so no data looks like
            // this.
            None => out.write_all(b"\\N")?,
            Some(bytes) => write_escaped(out, bytes, delimiter)?,
        }
    }
    for (name, value) in &message.headers {
        out.write_all(delimiter.as_bytes())?;
        write_escaped(out, name, delimiter)?;
        out.write_all(b"=")?;
        write_escaped(out, value, delimiter)?;
    }
    out.write_all(b"\n")
}

fn write_control_text(out: &mut impl Write, record: &ControlRecord, delimiter: &str) -> io::Result<()> {
    // No data looks like this either.
    write!(
        out,
        "{}{delimiter}{}{delimiter}\\control{delimiter}",
        record.offset, record.time
    )?;
    match record.control {
        Some(Control::Fence(token)) => {
            write!(out, "fence{delimiter}")?;
            write_escaped(out, token.as_str().as_bytes(), delimiter)?;
        }
        Some(Control::Trim(before)) => write!(out, "trim{delimiter}{before}")?,
        Some(Control::Seal) => out.write_all(b"seal")?,
        Some(Control::Unseal) => out.write_all(b"unseal")?,
        _ => out.write_all(b"unknown")?,
    }
    out.write_all(b"\n")
}

/// Writes bytes so that they have no line end and no delimiter, which would look like one between
/// fields.
fn write_escaped(out: &mut impl Write, bytes: &[u8], delimiter: &str) -> io::Result<()> {
    let of_delimiter = delimiter.chars().next();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => out.write_all(b"\\\\")?,
                '\t' => out.write_all(b"\\t")?,
                '\n' => out.write_all(b"\\n")?,
                '\r' => out.write_all(b"\\r")?,
                // Escape sequences in data must not control the user's terminal.
                _ if char.is_control() || Some(char) == of_delimiter => {
                    write!(out, "\\u{{{:x}}}", u32::from(char))?;
                }
                _ => write!(out, "{char}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen::{Headers, Timestamp};

    /// Every message is printed on one line, and an absent value differs from an empty one and from
    /// the text `\N`.
    #[test]
    fn a_text_line_is_one_line() {
        let message = |key: Option<&'static [u8]>, value: Option<&'static [u8]>| Message {
            offset: 7,
            time: Timestamp::from_micros(0),
            key: key.map(Into::into),
            value: value.map(Into::into),
            headers: Headers::new(&[(b"h", b"1\n2")]),
        };
        let cases: [(Message, &str); 3] = [
            (message(None, Some(b"")), "\\N\t"),
            (
                message(Some(b"\\N"), Some(b"a\tb\x1b[1m")),
                "\\\\N\ta\\tb\\u{1b}[1m",
            ),
            (message(Some(b"\xff\xc3\xa4"), None), "\\xff\u{e4}\t\\N"),
        ];
        for (message, expected) in cases {
            let format = Format {
                kind: Kind::Text("\t"),
                partition: None,
            };
            for (format, begin) in [(format, ""), (format.in_partition(3), "3\t")] {
                let mut line = Vec::new();
                format.write(&mut line, &message).expect("memory");
                let line = String::from_utf8(line).expect("text");
                assert_eq!(
                    line,
                    format!("{begin}7\t1970-01-01T00:00:00Z\t{expected}\th=1\\n2\n")
                );
            }
        }
    }
}
