use std::path::Path;
use std::sync::OnceLock;

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder, Unit};

use super::kinds::Kind;
use crate::store::metrics::Metrics;

/// Reports what is counted of a stream, once it is known of which.
#[derive(Debug, Default)]
pub(super) struct Report(OnceLock<Handles>);

/// What a recorder has given one stream for its metrics.
#[derive(Debug)]
struct Handles {
    counters: [Counter; Kind::COUNT],
    messages: Gauge,
    bytes: Gauge,
    open_partitions: Gauge,
}

static METADATA: Metadata<'static> = Metadata::new("duramen", Level::INFO, Some(module_path!()));

const REJECTIONS: &str = "duramen_stream_rejections_total";

/// The name of a counter, its value of the label `kind` if it has one, its unit, and what it
/// counts.
type Described = (&'static str, Option<&'static str>, Unit, &'static str);

/// All counters, in the order of their kinds.
const COUNTERS: [Described; Kind::COUNT] = [
    count("duramen_stream_appends_total", "Batches published"),
    count(
        "duramen_stream_records_total",
        "Messages and control records published",
    ),
    bytes(
        "duramen_stream_metered_in_bytes_total",
        "Metered size of the messages published",
    ),
    count("duramen_stream_reads_total", "Calls that have read messages"),
    count("duramen_stream_messages_out_total", "Messages returned by reads"),
    bytes(
        "duramen_stream_metered_out_bytes_total",
        "Metered size of the messages returned by reads",
    ),
    count(
        "duramen_stream_syncs_total",
        "Syncs of everything that was written to a partition",
    ),
    rejection("fenced"),
    rejection("offset_mismatch"),
    rejection("key_mismatch"),
    rejection("sealed"),
    rejection("out_of_sequence"),
    rejection("too_large"),
    rejection("time_required"),
    rejection("other"),
];

const fn count(name: &'static str, description: &'static str) -> Described {
    (name, None, Unit::Count, description)
}

const fn bytes(name: &'static str, description: &'static str) -> Described {
    (name, None, Unit::Bytes, description)
}

const fn rejection(kind: &'static str) -> Described {
    (REJECTIONS, Some(kind), Unit::Count, "Publishes refused or failed")
}

impl Report {
    /// Takes handles from the recorder that is installed now, unless it has some.
    #[inline]
    pub(super) fn begin(&self, dir: &Path, stream: &str) {
        self.0.get_or_init(|| Handles::of(dir, stream));
    }

    #[inline]
    pub(super) fn add(&self, kind: Kind, count: u64) {
        if let Some(handles) = self.0.get() {
            handles.counters[kind as usize].increment(count);
        }
    }

    pub(super) fn show(&self, metrics: &Metrics) {
        if let Some(handles) = self.0.get() {
            set(&handles.messages, metrics.messages);
            set(&handles.bytes, metrics.bytes);
            set(&handles.open_partitions, metrics.open_partitions);
        }
    }
}

impl Handles {
    fn of(dir: &Path, stream: &str) -> Handles {
        metrics::with_recorder(|recorder| {
            let labels = vec![of_store(dir), Label::new("stream", stream.to_owned())];
            let gauge = |name, unit, description| gauge(recorder, name, unit, description, labels.clone());
            Handles {
                counters: COUNTERS.map(|(name, kind, unit, description)| {
                    recorder.describe_counter(name.into(), Some(unit), description.into());
                    let kind = kind.map(|kind| Label::from_static_parts("kind", kind));
                    let labels: Vec<_> = labels.iter().cloned().chain(kind).collect();
                    recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
                }),
                messages: gauge(
                    "duramen_stream_messages",
                    Unit::Count,
                    "Messages of the stream, as far as that is known",
                ),
                bytes: gauge(
                    "duramen_stream_size_bytes",
                    Unit::Bytes,
                    "Bytes of the stream's files, as far as that is known",
                ),
                open_partitions: gauge(
                    "duramen_stream_open_partitions",
                    Unit::Count,
                    "Partitions of the stream that are open",
                ),
            }
        })
    }
}

/// Reports what the store in `dir` has now.
pub(in crate::store) fn show(dir: &Path, metrics: &Metrics) {
    metrics::with_recorder(|recorder| {
        let labels = vec![of_store(dir)];
        let streams = gauge(
            recorder,
            "duramen_store_streams",
            Unit::Count,
            "Streams of the store",
            labels.clone(),
        );
        set(&streams, metrics.streams);
        let open = gauge(
            recorder,
            "duramen_store_open_partitions",
            Unit::Count,
            "Partitions of the store that are open",
            labels,
        );
        set(&open, metrics.open_partitions);
    });
}

fn of_store(dir: &Path) -> Label {
    Label::new("store", dir.display().to_string())
}

fn gauge(
    recorder: &dyn Recorder,
    name: &'static str,
    unit: Unit,
    description: &'static str,
    labels: Vec<Label>,
) -> Gauge {
    recorder.describe_gauge(name.into(), Some(unit), description.into());
    recorder.register_gauge(&Key::from_parts(name, labels), &METADATA)
}

/// Gauges hold numbers as `f64`, exactly up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "gauges hold no other numbers")]
fn set(gauge: &Gauge, value: u64) {
    gauge.set(value as f64);
}
