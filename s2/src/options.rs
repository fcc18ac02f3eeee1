use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use duramen::{ErrorKind, Result};
use s2_sdk::types::{AppendRetryPolicy, RetryConfig, S2Config, S2Endpoints};

use crate::failure::remote;

/// How to reach S2: the access token, the address, and how long to wait and how often to try.
///
/// ```
/// use std::time::Duration;
/// use duramen_s2::S2Options;
///
/// let options = S2Options::new("a token")
///     .endpoint("http://127.0.0.1:8080")
///     .timeout(Duration::from_secs(2));
/// ```
#[derive(Clone)]
#[must_use]
pub struct S2Options {
    token: String,
    endpoint: Option<String>,
    connect_timeout: Duration,
    timeout: Duration,
    attempts: u32,
}

impl S2Options {
    /// The public service, with this access token. Nobody is asked before the first request.
    pub fn new(token: impl Into<String>) -> S2Options {
        S2Options {
            token: token.into(),
            endpoint: None,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(5),
            attempts: 5,
        }
    }

    /// A server of one's own, such as `http://127.0.0.1:8080`, in the place of the public service.
    /// Without a scheme, it is `https`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> S2Options {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// How long one attempt waits for a connection. Default: 3 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> S2Options {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt waits for the answer. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> S2Options {
        self.timeout = timeout;
        self
    }

    /// How often a request is tried, at least once, with random waits in between of up to 200 ms at
    /// first and 2 s at most. Default: 5.
    ///
    /// What is tried again is what changes nothing, what the server has certainly not done, and an
    /// append with [`expect_next_offset`](duramen::PublishOptions::expect_next_offset), which the
    /// server does at most once.
    pub fn attempts(mut self, attempts: u32) -> S2Options {
        self.attempts = attempts.max(1);
        self
    }

    pub(crate) fn attempts_max(&self) -> u32 {
        self.attempts
    }

    /// The settings of the SDK. It never repeats what might have been done.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`](duramen::Error::Remote) of the kind [`ErrorKind::Usage`] for an endpoint
    /// that is none.
    pub(crate) fn config(&self) -> Result<S2Config> {
        let attempts = NonZeroU32::new(self.attempts).unwrap_or(NonZeroU32::MIN);
        let retry = RetryConfig::new()
            .with_max_attempts(attempts)
            .with_append_retry_policy(AppendRetryPolicy::NoSideEffects);
        let config = S2Config::new(self.token.clone())
            .with_connection_timeout(self.connect_timeout)
            .with_request_timeout(self.timeout)
            .with_retry(retry);
        let Some(endpoint) = &self.endpoint else {
            return Ok(config);
        };
        let endpoints = S2Endpoints::for_endpoint(endpoint);
        let endpoints = endpoints.map_err(|error| remote("connect", ErrorKind::Usage, error))?;
        Ok(config.with_endpoints(endpoints))
    }
}

/// Without the access token.
impl fmt::Debug for S2Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S2Options")
            .field("endpoint", &self.endpoint)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
