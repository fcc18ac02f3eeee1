use std::collections::HashSet;
use std::io::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use duramen::{Control, ControlRecord, Message, Timestamp};

/// Writes `message`, of this partition of a stream if of any, on one line.
pub(crate) fn write(out: &mut impl Write, partition: Option<u32>, message: &Message) -> io::Result<()> {
    write_place(out, partition, message.offset, message.time)?;
    write_field(out, "key", message.key.as_deref())?;
    write_field(out, "value", message.value.as_deref())?;
    write_headers(out, message.headers.as_slice())?;
    out.write_all(b"}\n")
}

/// Writes a control record on one line, in the same way.
pub(crate) fn write_control(
    out: &mut impl Write,
    partition: Option<u32>,
    record: &ControlRecord,
) -> io::Result<()> {
    write_place(out, partition, record.offset, record.time)?;
    out.write_all(b",\"control\":")?;
    match record.control {
        Some(Control::Fence(token)) => {
            out.write_all(b"\"fence\",\"token\":")?;
            write_string(out, token.as_str())?;
        }
        Some(Control::Trim(before)) => write!(out, "\"trim\",\"before\":{before}")?,
        Some(Control::Seal) => out.write_all(b"\"seal\"")?,
        Some(Control::Unseal) => out.write_all(b"\"unseal\"")?,
        _ => out.write_all(b"\"unknown\"")?,
    }
    out.write_all(b"}\n")
}

/// Begins an object with what says where a record is.
fn write_place(out: &mut impl Write, partition: Option<u32>, offset: u64, time: Timestamp) -> io::Result<()> {
    out.write_all(b"{")?;
    if let Some(partition) = partition {
        write!(out, "\"partition\":{partition},")?;
    }
    write!(out, "\"offset\":{offset},\"time_us\":{}", time.as_micros())
}

fn write_field(out: &mut impl Write, name: &str, bytes: Option<&[u8]>) -> io::Result<()> {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => write!(out, ",\"{name}\":null"),
        Some((_, Ok(text))) => {
            write!(out, ",\"{name}\":")?;
            write_string(out, text)
        }
        Some((bytes, Err(_))) => {
            write!(out, ",\"{name}_base64\":")?;
            write_base64(out, bytes)
        }
    }
}

fn write_headers(out: &mut impl Write, headers: &[(&[u8], &[u8])]) -> io::Result<()> {
    if headers.is_empty() {
        return Ok(());
    }
    let texts: Option<Vec<(&str, &str)>> = headers
        .iter()
        .map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)))
        .collect();
    let Some(texts) = texts else {
        out.write_all(b",\"headers_base64\":[")?;
        write_list(out, headers, |out, (name, value)| {
            out.write_all(b"[")?;
            write_base64(out, name)?;
            out.write_all(b",")?;
            write_base64(out, value)?;
            out.write_all(b"]")
        })?;
        return out.write_all(b"]");
    };
    let mut names = HashSet::with_capacity(texts.len());
    // The two forms differ only in their brackets.
    let [open, between, close, end] = if texts.iter().all(|(name, _)| names.insert(*name)) {
        ["{", "", "", "}"]
    } else {
        ["[", "[", "]", "]"]
    };
    let separator = if between.is_empty() { ":" } else { "," };
    write!(out, ",\"headers\":{open}")?;
    write_list(out, &texts, |out, (name, value)| {
        out.write_all(between.as_bytes())?;
        write_string(out, name)?;
        out.write_all(separator.as_bytes())?;
        write_string(out, value)?;
        out.write_all(close.as_bytes())
    })?;
    out.write_all(end.as_bytes())
}

fn write_list<W: Write, T>(
    out: &mut W,
    items: &[T],
    mut write_item: impl FnMut(&mut W, &T) -> io::Result<()>,
) -> io::Result<()> {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        write_item(out, item)?;
    }
    Ok(())
}

fn write_string(out: &mut impl Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

fn write_base64(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write!(out, "\"{}\"", Base64Display::new(bytes, &STANDARD))
}
