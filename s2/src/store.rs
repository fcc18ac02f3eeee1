use std::sync::Arc;
use std::time::Duration;

use duramen::{Error, ErrorKind, LifeId, Result};
use s2_sdk::S2;
use s2_sdk::error::{ErrorCode, RequestError};
use s2_sdk::types::{
    BasinName, CreateStreamInput, DeleteStreamInput, EnsureBasinInput, ListStreamsInput, RetentionPolicy,
    StreamConfig, StreamInfo, StreamName, TimestampingConfig, TimestampingMode, ValidationError,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::bridge::Bridge;
use crate::failure::{of_change, of_request, remote};
use crate::log::S2Log;
use crate::options::S2Options;
use crate::remote::Remote;

/// The streams of one basin of S2, as logs. Cheap to clone.
///
/// All logs of a store, and of its clones, share one thread and its connections. The thread ends
/// when the last of them is dropped.
#[derive(Clone, Debug)]
pub struct S2Store {
    bridge: Arc<Bridge>,
    s2: S2,
    basin: BasinName,
    attempts: u32,
}

/// Names of streams, from [`S2Store::list`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamPage {
    /// The names, in byte order.
    pub names: Vec<String>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

impl S2Store {
    /// The basin of this name. Nobody is asked yet whether it exists.
    ///
    /// # Errors
    ///
    /// [`Remote`](Error::Remote), of the kind [`Usage`](ErrorKind::Usage) for a name, endpoint or
    /// token that cannot be one, or [`NotWritten`](ErrorKind::NotWritten) if the system has no
    /// thread.
    pub fn connect(basin: &str, options: &S2Options) -> Result<S2Store> {
        let basin: BasinName = basin.parse().map_err(|error| invalid("connect", error))?;
        let config = options.config()?;
        let bridge = Bridge::start()?;
        // Its connections belong to the runtime.
        let s2 =
            bridge.run(async move { S2::new(config).map_err(|error| of_request("connect", "", error)) })?;
        Ok(S2Store {
            bridge: Arc::new(bridge),
            s2,
            basin,
            attempts: options.attempts_max(),
        })
    }

    /// Makes the basin, unless there is one of this name.
    ///
    /// # Errors
    ///
    /// [`Remote`](Error::Remote).
    pub fn create_basin(&self) -> Result<()> {
        let (s2, basin) = (self.s2.clone(), self.basin.clone());
        self.bridge.run(async move {
            let made = s2.ensure_basin(EnsureBasinInput::new(basin)).await;
            made.map(drop)
                .map_err(|error| of_change("make the basin", "", error))
        })
    }

    /// Makes a stream and opens it. It keeps its messages until they are trimmed, and they have the
    /// times that their publishers give, ahead of the clock or not.
    ///
    /// # Errors
    ///
    /// [`StreamExists`](Error::StreamExists); [`StreamDeleting`](Error::StreamDeleting);
    /// [`Remote`](Error::Remote), also if the account does not allow it to keep them for ever;
    /// [`Unconfirmed`](Error::Unconfirmed).
    pub fn create(&self, name: &str) -> Result<S2Log> {
        self.make(name, RetentionPolicy::Infinite)
    }

    /// As [`create`](S2Store::create), but its messages are removed when they are this old, in
    /// seconds rounded down.
    ///
    /// # Errors
    ///
    /// As `create`.
    pub fn create_with_max_age(&self, name: &str, age: Duration) -> Result<S2Log> {
        self.make(name, RetentionPolicy::Age(age.as_secs()))
    }

    fn make(&self, name: &str, retention: RetentionPolicy) -> Result<S2Log> {
        let stream: StreamName = name.parse().map_err(|error| invalid("make the stream", error))?;
        let timestamps = TimestampingConfig::new()
            .with_mode(TimestampingMode::ClientPrefer)
            .with_uncapped(true);
        let config = StreamConfig::new()
            .with_timestamping(timestamps)
            .with_retention_policy(retention);
        let basin = self.s2.basin(self.basin.clone());
        let text: Box<str> = name.into();
        let info = self.bridge.run(async move {
            let input = CreateStreamInput::new(stream).with_config(config);
            let made = basin.create_stream(input).await;
            made.map_err(|error| {
                if code(&error) == Some(ErrorCode::ResourceAlreadyExists) {
                    return Error::StreamExists { name: text };
                }
                of_change("make the stream", &text, error)
            })
        })?;
        Ok(self.log(&info))
    }

    /// Opens a stream, however it was made. If it caps times, or orders them by arrival, messages
    /// are found by time only as S2 has them.
    ///
    /// A handle that stays open while its stream is deleted and made again keeps the old life.
    ///
    /// # Errors
    ///
    /// [`NoStream`](Error::NoStream); [`StreamDeleting`](Error::StreamDeleting);
    /// [`Remote`](Error::Remote).
    pub fn open(&self, name: &str) -> Result<S2Log> {
        // The first one that begins with the name is the one that has it.
        let prefix = name.parse().map_err(|error| invalid("open the stream", error))?;
        let basin = self.s2.basin(self.basin.clone());
        let page = self.bridge.run(async move {
            let input = ListStreamsInput::new().with_prefix(prefix).with_limit(1);
            let page = basin.list_streams(input).await;
            page.map_err(|error| of_request("open the stream", "", error))
        })?;
        let info = page.values.into_iter().find(|info| &*info.name == name);
        match info {
            Some(info) if info.deleted_at.is_some() => Err(Error::StreamDeleting { name: name.into() }),
            Some(info) => Ok(self.log(&info)),
            None => Err(Error::NoStream { name: name.into() }),
        }
    }

    /// Opens a stream, and makes it first if there is none.
    ///
    /// # Errors
    ///
    /// As [`create`](S2Store::create), but for `StreamExists`.
    pub fn open_or_create(&self, name: &str) -> Result<S2Log> {
        match self.open(name) {
            Err(Error::NoStream { .. }) => {}
            opened => return opened,
        }
        match self.create(name) {
            // Somebody else was faster.
            Err(Error::StreamExists { .. }) => self.open(name),
            made => made,
        }
    }

    /// Names of streams that begin with `prefix` and come behind `start_after`, up to `limit`, at
    /// least one and at most 1,000, without those that are being deleted.
    ///
    /// # Errors
    ///
    /// [`Remote`](Error::Remote).
    pub fn list(&self, prefix: &str, start_after: &str, limit: usize) -> Result<StreamPage> {
        let refused = |error| invalid("list the streams", error);
        let mut input = ListStreamsInput::new()
            .with_prefix(prefix.parse().map_err(refused)?)
            .with_start_after(start_after.parse().map_err(refused)?)
            .with_limit(limit.clamp(1, 1000));
        loop {
            let (basin, asked) = (self.s2.basin(self.basin.clone()), input.clone());
            let page = self.bridge.run(async move {
                let page = basin.list_streams(asked).await;
                page.map_err(|error| of_request("list the streams", "", error))
            })?;
            let there = page.values.iter().filter(|info| info.deleted_at.is_none());
            let names: Vec<String> = there.map(|info| info.name.to_string()).collect();
            match page.values.last() {
                // All of them are being deleted.
                Some(last) if names.is_empty() && page.has_more => {
                    input = input.with_start_after(last.name.clone().into());
                }
                _ => {
                    return Ok(StreamPage {
                        names,
                        has_more: page.has_more,
                    });
                }
            }
        }
    }

    /// Deletes a stream, with all its messages. They go in the background; until then, the name
    /// cannot be used again.
    ///
    /// # Errors
    ///
    /// [`NoStream`](Error::NoStream); [`Remote`](Error::Remote);
    /// [`Unconfirmed`](Error::Unconfirmed): try again until it is `NoStream`.
    pub fn delete(&self, name: &str) -> Result<()> {
        let stream: StreamName = name
            .parse()
            .map_err(|error| invalid("delete the stream", error))?;
        let basin = self.s2.basin(self.basin.clone());
        let text: Box<str> = name.into();
        self.bridge.run(async move {
            let deleted = basin.delete_stream(DeleteStreamInput::new(stream)).await;
            deleted.map_err(|error| of_change("delete the stream", &text, error))
        })
    }

    fn log(&self, info: &StreamInfo) -> S2Log {
        let remote = Remote {
            stream: self.s2.basin(self.basin.clone()).stream(info.name.clone()),
            name: info.name.as_ref().into(),
            attempts: self.attempts,
        };
        S2Log::new(Arc::clone(&self.bridge), remote, self.life(info))
    }

    /// A stream that is deleted and made again has another one.
    fn life(&self, info: &StreamInfo) -> LifeId {
        let text = format!("{}\n{}\n{}", self.basin, info.name, info.created_at);
        LifeId::from_bytes(xxh3_128(text.as_bytes()).to_be_bytes())
    }
}

fn invalid(operation: &'static str, error: ValidationError) -> Error {
    remote(operation, ErrorKind::Usage, error)
}

fn code(error: &RequestError) -> Option<ErrorCode> {
    error.server_error()?.known_code()
}
