//! Cursors and consumers, over each kind of log.

mod burying;
mod consumer;
mod cursor;
mod stored;
#[cfg(feature = "stream")]
mod tasks;
mod typed;
mod unread;

use std::any::Any;
use std::sync::Arc;

use duramen::store::StreamConfig;
use duramen::{BlockingLog, Cursor, Filter, Log, MemoryLog, NewMessage, Options, Result, Start};

use crate::support::Home;

type AnyLog = Arc<dyn Log>;

/// A log to read from, of some kind.
pub(crate) struct Source {
    log: BlockingLog<AnyLog>,
    /// What it is in.
    _home: Box<dyn Any + Send + Sync>,
}

impl Source {
    fn new(log: AnyLog, home: impl Any + Send + Sync) -> Source {
        Source {
            log: BlockingLog::new(log),
            _home: Box::new(home),
        }
    }

    fn memory() -> Source {
        Source::new(Arc::new(MemoryLog::new()), ())
    }

    fn files() -> Source {
        let dir = tempfile::tempdir().expect("a directory");
        let log = Options::new().open(dir.path()).expect("opened");
        Source::new(Arc::new(log), dir)
    }

    fn partition() -> Source {
        let home = Home::new();
        let store = home.open();
        let config = StreamConfig::new().partitions(2);
        store.create("s", &config).expect("created");
        let stream = store.stream("s").expect("there");
        let log = stream.partition(1).expect("a partition");
        Source::new(Arc::new(log), (home, store))
    }

    /// Publishes one message for each character, which is its key.
    fn publish(&self, keys: &str) {
        for key in keys.bytes() {
            let message = NewMessage::new(std::slice::from_ref(&key), b"value");
            self.log.publish(&[message]).expect("published");
        }
    }

    /// A cursor over the messages of one key.
    fn cursor(&self, from: u64, key: &str) -> Result<Cursor<AnyLog>> {
        self.log.cursor(Start::At(from), Filter::key(key.as_bytes()))
    }

    /// A cursor over all messages.
    fn all(&self, from: u64) -> Cursor<AnyLog> {
        let cursor = self.log.cursor(Start::At(from), Filter::any());
        cursor.expect("a cursor")
    }
}

/// Runs each of these functions of the module above with each kind of log.
macro_rules! over_each_log {
    ($($case:ident)*) => {
        over_each_log!(@kind memory $($case)*);
        over_each_log!(@kind files $($case)*);
        over_each_log!(@kind partition $($case)*);
    };
    (@kind $kind:ident $($case:ident)*) => {
        mod $kind {
            use crate::consuming::Source;
            $(
                #[test]
                fn $case() -> duramen::Result<()> {
                    super::$case(&Source::$kind())
                }
            )*
        }
    };
}
use over_each_log;
