use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError};

/// Items of any serde type as JSON without spaces. Only with the feature `json`.
///
/// ```
/// use duramen::codec::{Codec, CodecError, Json};
///
/// let pairs = Json::<Vec<(u8, String)>>::new();
/// assert_eq!(pairs.decode(br#"[[7, "Ada"]]"#)?, [(7, "Ada".to_owned())]);
/// # Ok::<(), CodecError>(())
/// ```
pub struct Json<T>(PhantomData<fn() -> T>);

super::contract::codec_of_type!(Json);

impl<T: Serialize + DeserializeOwned> Codec for Json<T> {
    type Item = T;

    fn encode(&self, item: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(serde_json::to_writer(out, item)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}
