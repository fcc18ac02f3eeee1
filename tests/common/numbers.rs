//! A recorder of the crate `metrics` for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// A metric: its name, and its labels in their order.
pub(crate) type Name = (String, Vec<(String, String)>);

/// Keeps the values of all metrics, and what they were described as.
#[derive(Clone, Default)]
pub(crate) struct Numbers {
    pub(crate) counters: Arc<Mutex<BTreeMap<Name, Arc<AtomicU64>>>>,
    pub(crate) gauges: Arc<Mutex<BTreeMap<Name, Arc<Level>>>>,
    pub(crate) histograms: Arc<Mutex<BTreeMap<Name, Arc<Times>>>>,
    pub(crate) described: Arc<Mutex<BTreeMap<String, Option<Unit>>>>,
}

#[derive(Default)]
pub(crate) struct Level(Mutex<f64>);

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        *self.0.lock().expect("a level") += value;
    }

    fn decrement(&self, value: f64) {
        *self.0.lock().expect("a level") -= value;
    }

    fn set(&self, value: f64) {
        *self.0.lock().expect("a level") = value;
    }
}

#[derive(Default)]
pub(crate) struct Times(Mutex<Vec<f64>>);

impl HistogramFn for Times {
    fn record(&self, value: f64) {
        self.0.lock().expect("times").push(value);
    }
}

fn name_of(key: &Key) -> Name {
    let labels = key.labels();
    let labels = labels.map(|label| (label.key().to_owned(), label.value().to_owned()));
    (key.name().to_owned(), labels.collect())
}

impl Recorder for Numbers {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        assert!(key.as_str().ends_with("_total") && !text.is_empty());
        self.describe(&key, unit);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        assert!(!key.as_str().ends_with("_total") && !text.is_empty());
        self.describe(&key, unit);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        assert!(key.as_str().ends_with("_seconds") && !text.is_empty());
        self.describe(&key, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().expect("counters");
        Counter::from_arc(Arc::clone(counters.entry(name_of(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().expect("gauges");
        Gauge::from_arc(Arc::clone(gauges.entry(name_of(key)).or_default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut histograms = self.histograms.lock().expect("histograms");
        Histogram::from_arc(Arc::clone(histograms.entry(name_of(key)).or_default()))
    }
}

impl Numbers {
    fn describe(&self, key: &KeyName, unit: Option<Unit>) {
        let unit_told = unit.expect("a unit");
        let name = key.as_str();
        assert_eq!(name.contains("_bytes"), unit_told == Unit::Bytes, "{name}");
        assert_eq!(name.contains("_seconds"), unit_told == Unit::Seconds, "{name}");
        let mut described = self.described.lock().expect("described");
        described.insert(name.to_owned(), unit);
    }

    /// Does `work` with these numbers as the recorder.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(self, work)
    }

    /// The value of a counter. Labels beside the directory follow its name: `name/label=value`.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.counters.lock().expect("counters");
        let found = counters
            .iter()
            .find(|((of, labels), _)| is_named(name, of, labels));
        found.expect(name).1.load(Ordering::Relaxed)
    }

    pub(crate) fn gauge(&self, name: &str) -> u64 {
        let gauges = self.gauges.lock().expect("gauges");
        let found = gauges.iter().find(|((of, labels), _)| is_named(name, of, labels));
        let value = *found.expect(name).1.0.lock().expect("a level");
        assert!(value >= 0.0 && value.fract() == 0.0, "{name}: {value}");
        format!("{value:.0}").parse().expect("a whole number")
    }

    /// How many times a histogram has got, each of which is one.
    pub(crate) fn times(&self, name: &str) -> usize {
        let histograms = self.histograms.lock().expect("histograms");
        let found = histograms
            .iter()
            .find(|((of, labels), _)| is_named(name, of, labels));
        let times = found.expect(name).1.0.lock().expect("times");
        assert!(times.iter().all(|time| (0.0..60.0).contains(time)), "{times:?}");
        times.len()
    }

    /// All counters that are not zero, but for these.
    pub(crate) fn others_than(&self, names: &[&str]) -> Vec<Name> {
        let counters = self.counters.lock().expect("counters");
        let counted = counters
            .iter()
            .filter(|(_, count)| count.load(Ordering::Relaxed) > 0);
        let others = counted.filter(|((of, labels), _)| !names.iter().any(|name| is_named(name, of, labels)));
        others.map(|(name, _)| name.clone()).collect()
    }
}

/// Whether this is the metric `name`, with a label of the directory of the log or the store.
fn is_named(name: &str, of: &str, labels: &[(String, String)]) -> bool {
    assert!(["log", "store"].contains(&labels[0].0.as_str()));
    let mut own = of.to_owned();
    for (key, value) in &labels[1..] {
        write!(own, "/{key}={value}").expect("a string");
    }
    own == name
}
