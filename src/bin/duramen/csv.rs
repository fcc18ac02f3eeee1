//! Comma-separated values, as in RFC 4180, line by line.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use duramen::MESSAGE_SIZE_MAX;

/// Reads records; the first one names the columns.
pub(crate) struct Csv {
    reader: Reader,
    /// The columns, once they are known.
    columns: Vec<String>,
    /// The fields of the record that is being read, one after another, and where they end.
    fields: Vec<u8>,
    fields_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    /// Whether the record goes on in the next line, as a quoted field can.
    is_inside: bool,
}

impl Csv {
    pub(crate) fn new(delimiter: u8) -> Csv {
        Csv {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            columns: Vec::new(),
            fields: vec![0; 1024],
            fields_len: 0,
            ends: vec![0; 16],
            ends_len: 0,
            is_inside: false,
        }
    }

    /// Takes in a line; true if it ends a record behind the first.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<bool, String> {
        if self.is_inside {
            self.is_inside = !self.feed(line)? && !self.feed(b"\n")?;
        } else {
            self.fields_len = 0;
            self.ends_len = 0;
            if line.trim_ascii().is_empty() {
                return Ok(false);
            }
            self.is_inside = !self.feed(line)? && !self.feed(b"\n")?;
        }
        if self.is_inside {
            return Ok(false);
        }
        if self.columns.is_empty() {
            self.name_columns()?;
            return Ok(false);
        }
        if self.ends_len != self.columns.len() {
            return Err(format!(
                "{} fields, but the first line names {}",
                self.ends_len,
                self.columns.len()
            ));
        }
        Ok(true)
    }

    /// Whether the input may end here.
    pub(crate) fn end(&self) -> Result<(), String> {
        if self.is_inside {
            return Err("a quoted field has no end".to_owned());
        }
        Ok(())
    }

    /// Takes in bytes; true if they end the record.
    fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, String> {
        while !bytes.is_empty() {
            let fields = self.fields.get_mut(self.fields_len..).unwrap_or_default();
            let ends = self.ends.get_mut(self.ends_len..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(bytes, fields, ends);
            bytes = bytes.get(read..).unwrap_or_default();
            self.fields_len += written;
            self.ends_len += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.fields.len() as u64 > MESSAGE_SIZE_MAX => {
                    return Err(format!("a record of more than {MESSAGE_SIZE_MAX} bytes"));
                }
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End if bytes.is_empty() => return Ok(true),
                ReadRecordResult::Record | ReadRecordResult::End => {
                    return Err("a carriage return in the middle of the line".to_owned());
                }
            }
        }
        Ok(false)
    }

    fn name_columns(&mut self) -> Result<(), String> {
        for column in 0..self.ends_len {
            let name = self.text(column)?.to_owned();
            if self.columns.contains(&name) {
                return Err(format!("two columns are named {name:?}"));
            }
            self.columns.push(name);
        }
        Ok(())
    }

    /// The number of the column with this name. Call this once the columns are known.
    pub(crate) fn column(&self, name: &str) -> Result<usize, String> {
        let found = self.columns.iter().position(|column| column == name);
        found.ok_or_else(|| format!("the first line names no column {name:?}"))
    }

    /// A field of the record that has ended.
    pub(crate) fn text(&self, column: usize) -> Result<&str, String> {
        let start = match column.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(column).copied().unwrap_or_default();
        let bytes = self.fields.get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| format!("field {} is not UTF-8", column + 1))
    }

    /// The record that has ended, as a JSON object of texts.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, String> {
        let mut json = b"{".to_vec();
        for (column, name) in self.columns.iter().enumerate() {
            if column > 0 {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, name).map_err(|error| error.to_string())?;
            json.push(b':');
            serde_json::to_writer(&mut json, self.text(column)?).map_err(|error| error.to_string())?;
        }
        json.push(b'}');
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Result<Vec<String>, String> {
        let mut csv = Csv::new(b',');
        let mut found = Vec::new();
        for line in text.split_terminator('\n') {
            if csv.line(line.as_bytes())? {
                found.push(String::from_utf8(csv.to_json()?).expect("JSON"));
            }
        }
        csv.end()?;
        Ok(found)
    }

    #[test]
    fn records_are_objects_of_texts() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("a,b\n", &[]),
            ("a,b\n1,2\n,\n", &[r#"{"a":"1","b":"2"}"#, r#"{"a":"","b":""}"#]),
            ("a,b\r\n1,2\r\n", &[r#"{"a":"1","b":"2"}"#]),
            ("\u{feff}a\n\n1\n\n", &[r#"{"a":"1"}"#]),
            ("a\n\"x,\"\"y\"\"\"\n", &[r#"{"a":"x,\"y\""}"#]),
            ("a,b\n\"x\r\n\r\ny\",z\n", &[r#"{"a":"x\r\n\r\ny","b":"z"}"#]),
            ("\"a\nb\"\n1\n", &[r#"{"a\nb":"1"}"#]),
        ];
        for (text, expected) in cases {
            assert_eq!(records(text).expect(text), expected, "{text:?}");
        }
        let long = "x".repeat(100_000);
        let columns: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let text = format!("{}\n{}\n", columns.join(","), vec![long.as_str(); 100].join(","));
        assert!(records(&text).expect("a record")[0].len() > 10_000_000);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (text, reason) in [
            ("a,b\n1\n", "1 fields, but the first line names 2"),
            ("a,b\n1,2,3\n", "3 fields"),
            ("a,a\n", "two columns are named \"a\""),
            ("a\n\"1\n", "has no end"),
            ("a\n1\r2\n", "carriage return"),
        ] {
            let found = records(text).expect_err(text);
            assert!(found.contains(reason), "{text:?}: {found}");
        }
    }
}
