//! The formats in which messages come in.

use clap::ValueEnum;

use crate::csv::Csv;
use crate::delimiter::{self, Delimiter};
use crate::failure::Failure;
use crate::json::{ParsedMessage, key_in};

#[derive(Debug, clap::Args)]
pub(crate) struct FormatArgs {
    /// The format of the input
    #[arg(long, value_enum, default_value_t = InputFormat::Json)]
    format: InputFormat,

    /// Take the key from here: with json, the field with this name, and each line, which may be any
    /// JSON object, is a value; with csv, the column with this name; with lines, the field with
    /// this number, from 1
    #[arg(long, value_name = "F")]
    key_field: Option<String>,

    /// What stands between fields: with csv, a single character, by default a comma; with lines, by
    /// default a tab; \t, \0, \xHH and so on stand for bytes
    #[arg(long, value_name = "D", value_parser = delimiter::parse, allow_hyphen_values = true)]
    delimiter: Option<Delimiter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// One JSON object per line
    Json,
    /// One value per line, whatever its bytes; an empty line is an empty value
    Lines,
    /// Comma-separated values; the first line names the columns, and each other record is a value,
    /// as a JSON object of texts
    Csv,
}

/// Makes messages of lines.
pub(crate) enum Parser {
    /// Each line is a message.
    Json,
    /// Each line is a JSON object that is a value, with the key in this field.
    Objects(String),
    /// Each line is a value, with the key in the field of this number, if any.
    Lines(Option<(usize, Vec<u8>)>),
    /// Each record is a value, with the key in this column, if any.
    Csv(Box<Csv>, Option<String>),
}

impl Parser {
    pub(crate) fn of(args: &FormatArgs) -> Result<Parser, Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        let delimiter = args.delimiter.as_ref().map(|delimiter| delimiter.0.as_slice());
        match args.format {
            InputFormat::Json if delimiter.is_some() => {
                Err(usage("--delimiter is for --format lines and csv"))
            }
            InputFormat::Json => Ok(args.key_field.clone().map_or(Parser::Json, Parser::Objects)),
            InputFormat::Lines => {
                let number = args.key_field.as_ref().map(|field| field.parse::<usize>());
                match number {
                    None if delimiter.is_some() => {
                        Err(usage("--delimiter needs --key-field with --format lines"))
                    }
                    None => Ok(Parser::Lines(None)),
                    Some(Ok(number @ 1..)) => {
                        Ok(Parser::Lines(Some((number, delimiter.unwrap_or(b"\t").to_vec()))))
                    }
                    Some(_) => Err(usage("with --format lines, --key-field is a number from 1 on")),
                }
            }
            InputFormat::Csv => match delimiter.unwrap_or(b",") {
                [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => {
                    Ok(Parser::Csv(Box::new(Csv::new(*byte)), args.key_field.clone()))
                }
                _ => Err(usage(
                    "with --format csv, --delimiter is one ASCII character, and no quote or line end",
                )),
            },
        }
    }

    /// Takes in a line; returns the message that it completes, if any, or says what is wrong.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<Option<ParsedMessage>, String> {
        match self {
            Parser::Json | Parser::Objects(_) if line.trim_ascii().is_empty() => Ok(None),
            Parser::Json => ParsedMessage::parse(line).map(Some),
            Parser::Objects(field) => {
                let key = key_in(line, field)?;
                Ok(Some(ParsedMessage::new(key, line.trim_ascii().to_vec())))
            }
            Parser::Lines(field) => {
                let key = field.as_ref().map(|(number, delimiter)| {
                    let found = field_of(line, delimiter, *number);
                    found.ok_or_else(|| format!("there is no field {number}"))
                });
                Ok(Some(ParsedMessage::new(key.transpose()?, line.to_vec())))
            }
            Parser::Csv(csv, key) => {
                if !csv.line(line)? {
                    return Ok(None);
                }
                let key = key.as_ref().map(|name| csv.text(csv.column(name)?));
                let key = key.transpose()?.map(|key| key.as_bytes().to_vec());
                Ok(Some(ParsedMessage::new(key, csv.to_json()?)))
            }
        }
    }

    /// Says what is wrong if the input ends here.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self {
            Parser::Csv(csv, _) => csv.end(),
            _ => Ok(()),
        }
    }
}

/// The field with this number, from 1.
fn field_of(line: &[u8], delimiter: &[u8], number: usize) -> Option<Vec<u8>> {
    let mut rest = line;
    for _ in 1..number {
        let at = position_of(rest, delimiter)?;
        rest = rest.get(at + delimiter.len()..)?;
    }
    let end = position_of(rest, delimiter).unwrap_or(rest.len());
    rest.get(..end).map(<[u8]>::to_vec)
}

fn position_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
