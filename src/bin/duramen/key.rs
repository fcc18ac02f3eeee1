//! A key on the command line.

use std::ffi::OsString;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Base64 input, with or without padding.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// Select the messages with exactly this key; `get` prints the last of them (needs a key index)
    // Any text can be a key, even one that begins with a hyphen.
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    key: Option<OsString>,

    /// Like --key, with the key in Base64
    #[arg(long, value_name = "K", conflicts_with = "key", value_parser = decode)]
    key_base64: Option<Key>,
}

#[derive(Clone, Debug)]
struct Key(Vec<u8>);

impl KeyArgs {
    /// The bytes of the key, if one was given. An empty text is a key too.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        let key = self.key.as_ref().map(|key| key.as_encoded_bytes());
        key.or(self.key_base64.as_ref().map(|key| key.0.as_slice()))
    }
}

fn decode(text: &str) -> Result<Key, base64::DecodeError> {
    BASE64.decode(text).map(Key)
}
