//! What a log tells through the crate `tracing`.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use duramen::{Log, NewMessage, Options, Retention};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Level, Metadata, Subscriber};

use crate::common::{fast_dir, files_of};

/// Writes down which spans are entered and left, and which events there are.
#[derive(Clone, Default)]
struct Lines {
    told: Arc<Mutex<Vec<String>>>,
    names: Arc<Mutex<Vec<&'static str>>>,
    ids: Arc<AtomicU64>,
}

impl Lines {
    fn add(&self, line: String) {
        self.told.lock().expect("lines").push(line);
    }

    fn name(&self, span: &Id) -> &'static str {
        let at = usize::try_from(span.into_u64() - 1).expect("few");
        self.names.lock().expect("names")[at]
    }

    fn count(&self, part: &str) -> usize {
        let lines = self.told.lock().expect("lines");
        lines.iter().filter(|line| line.contains(part)).count()
    }
}

/// The fields of an event as text.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "duramen"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.names.lock().expect("names").push(span.metadata().name());
        Id::from_u64(self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let level = *event.metadata().level();
        assert!(level <= Level::DEBUG);
        self.add(format!("{level}{}", fields.0));
    }

    fn enter(&self, span: &Id) {
        self.add(format!("enter {}", self.name(span)));
    }

    fn exit(&self, span: &Id) {
        self.add(format!("exit {}", self.name(span)));
    }
}

/// Goal: opening, recovery, syncs and backups are spans, and what is told is an event of a fitting level, also where
/// the log has no listener. Method: a subscriber of this thread alone, on which a log without a background tells all.
#[test]
fn calls_are_spans_and_what_is_told_is_an_event() {
    // While there is but one subscriber, an event that another thread tells first is taken for one that nobody wants.
    drop(tracing::subscriber::set_global_default(NoSubscriber::new()));
    let (dir, copy, target, lines) = (fast_dir(), fast_dir(), fast_dir(), Lines::default());
    let options = Options::new().rollover(1024).background(false);
    let options = options.retention(Retention::new().max_messages(3));
    tracing::subscriber::with_default(lines.clone(), || {
        let log = options.open(dir.path()).expect("a log");
        assert_eq!((lines.count("enter open"), lines.count("exit open")), (1, 1));
        for _ in 0..20 {
            log.publish(&[NewMessage::value(&[7; 100])]).expect("published");
        }
        log.sync().expect("synced");
        log.backup(target.path()).expect("copied");
        for (name, bytes) in files_of(dir.path()) {
            std::fs::write(copy.path().join(name), bytes).expect("written");
        }
        let recovered = options.open(copy.path()).expect("a log");
        recovered.close().expect("closed");
        log.close().expect("closed");
    });
    let lines_told = lines.told.lock().expect("lines").clone();
    for part in [
        "enter recovery",
        "exit recovery",
        "enter sync",
        "exit sync",
        "enter backup",
        "exit backup",
        "INFO message=recovered",
        "DEBUG message=rolled over",
        "DEBUG message=sealed",
        "INFO message=retention removed",
    ] {
        assert!(lines.count(part) > 0, "{part}: {lines_told:#?}");
    }
    let place = format!("dir={}", dir.path().display());
    assert!(lines.count(&place) > 0, "{place}: {lines_told:#?}");
}
