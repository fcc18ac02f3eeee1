//! Streams, as they are printed.

use serde::Serialize;

use duramen::Timestamp;
use duramen::store::StreamInfo;

/// A stream, in short.
#[derive(Serialize)]
pub(super) struct Named {
    name: String,
    id: String,
    partitions: u32,
}

impl From<StreamInfo> for Named {
    fn from(info: StreamInfo) -> Named {
        Named {
            name: info.name,
            id: info.id.to_string(),
            partitions: info.partitions,
        }
    }
}

pub(super) const DESCRIBED_HELP: &str = "\
A stream is an object on one line:

  {\"name\":\"orders\",\"id\":\"0123..\",\"partitions\":4,\"created_us\":1237714200000000,\"sealed\":[],\"paused\":[2]}

created_us is in microseconds since 1970, and sealed and paused are the partitions that are. A stream that is being \
removed has \"deleted_at_us\", too.";

/// A stream, and what was done to it.
#[derive(Serialize)]
pub(super) struct Described {
    #[serde(flatten)]
    named: Named,
    created_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at_us: Option<i64>,
    sealed: Vec<u32>,
    paused: Vec<u32>,
}

impl From<StreamInfo> for Described {
    fn from(mut info: StreamInfo) -> Described {
        Described {
            created_us: info.created.as_micros(),
            deleted_at_us: info.deleted_at.map(Timestamp::as_micros),
            sealed: std::mem::take(&mut info.sealed),
            paused: std::mem::take(&mut info.paused),
            named: info.into(),
        }
    }
}
