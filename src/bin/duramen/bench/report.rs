use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::args::{Args, DurabilityArg, IndexesArg};
use super::phases::Measured;

/// The measurements, printed as JSON or as a table.
#[derive(Serialize)]
pub(crate) struct Report {
    messages: u64,
    value_size: usize,
    key_size: usize,
    batch: usize,
    durability: &'static str,
    indexes: &'static str,
    threads: usize,
    #[serde(serialize_with = "as_map")]
    phases: Vec<(&'static str, Phase)>,
}

#[derive(Serialize)]
struct Phase {
    calls: u64,
    messages: u64,
    seconds: f64,
    messages_per_second: f64,
    bytes_per_second: f64,
    latency_ns: Latency,
}

#[derive(Serialize)]
struct Latency {
    p50: u64,
    p99: u64,
    #[serde(rename = "p99.9")]
    p99_9: u64,
    #[serde(rename = "p99.99")]
    p99_99: u64,
    max: u64,
}

impl Report {
    pub(crate) fn new(args: &Args) -> Report {
        Report {
            messages: args.messages.get(),
            value_size: args.value_size,
            key_size: args.key_size,
            batch: args.batch.get(),
            durability: match args.durability {
                DurabilityArg::Os => "os",
                DurabilityArg::Each => "each",
            },
            indexes: match args.indexes {
                IndexesArg::None => "none",
                IndexesArg::Key => "key",
                IndexesArg::Time => "time",
                IndexesArg::Both => "both",
            },
            threads: args.threads.get(),
            phases: Vec::new(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are rounded when they are read")]
    pub(crate) fn add(&mut self, name: &'static str, measured: &Measured) {
        let seconds = measured.elapsed.as_secs_f64();
        // A phase too short for the clock has no rate.
        let per_second = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        let latency = &measured.latency;
        let phase = Phase {
            calls: latency.len(),
            messages: measured.messages,
            seconds,
            messages_per_second: per_second(measured.messages),
            bytes_per_second: per_second(measured.content_size),
            latency_ns: Latency {
                p50: latency.value_at_quantile(0.5),
                p99: latency.value_at_quantile(0.99),
                p99_9: latency.value_at_quantile(0.999),
                p99_99: latency.value_at_quantile(0.9999),
                max: latency.max(),
            },
        };
        self.phases.push((name, phase));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages, key {} B, value {} B, batches of {}, durability {}, indexes {}, threads {}",
            self.messages,
            self.key_size,
            self.value_size,
            self.batch,
            self.durability,
            self.indexes,
            self.threads
        )?;
        write!(
            f,
            "{:<12}{:>12}{:>12}{:>10}  latency of a call, ns: {:>7}{:>10}{:>10}{:>10}{:>12}",
            "", "calls", "messages/s", "MB/s", "p50", "p99", "p99.9", "p99.99", "max"
        )?;
        for (name, phase) in &self.phases {
            let latency = &phase.latency_ns;
            write!(
                f,
                "\n{:<12}{:>12}{:>12.0}{:>10.1}{:>32}{:>10}{:>10}{:>10}{:>12}",
                name,
                phase.calls,
                phase.messages_per_second,
                phase.bytes_per_second / 1e6,
                latency.p50,
                latency.p99,
                latency.p99_9,
                latency.p99_99,
                latency.max
            )?;
        }
        Ok(())
    }
}

fn as_map<S: Serializer>(phases: &[(&'static str, Phase)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(phases.len()))?;
    for (name, phase) in phases {
        map.serialize_entry(name, phase)?;
    }
    map.end()
}
