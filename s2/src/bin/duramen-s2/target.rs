//! The stream that a command works on.

use duramen_s2::{S2Options, S2Store};

use crate::failure::Failure;

const ENDPOINT_HELP: &str =
    "A server of your own, such as http://127.0.0.1:8080, in the place of the public service";

#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// The basin
    #[arg(long, value_name = "BASIN")]
    basin: String,

    /// The stream
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: String,

    /// A server of your own in the place of the public service
    #[arg(long, value_name = "URL", long_help = ENDPOINT_HELP)]
    endpoint: Option<String>,
}

impl Target {
    /// The basin of the stream.
    pub(crate) fn store(&self) -> Result<S2Store, Failure> {
        let token = std::env::var("S2_ACCESS_TOKEN").map_err(|_| Failure::NoToken)?;
        let mut options = S2Options::new(token);
        if let Some(endpoint) = &self.endpoint {
            options = options.endpoint(endpoint);
        }
        Ok(S2Store::connect(&self.basin, &options)?)
    }
}
