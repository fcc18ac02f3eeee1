//! Random sequences of calls against a model, over each kind of log.

use std::sync::Arc;

use duramen::store::{StoreOptions, StreamConfig};
use duramen::{
    AckMode, Error, Log, MemoryLog, NewMessage, Options, Producer, ProducerOptions, Result, Ticket,
};
use proptest::prelude::*;

use super::lazy;
use crate::common::{fast_dir, read_all};

#[derive(Clone, Debug)]
enum Step {
    /// A message with a value of this length.
    Send(usize),
    Flush,
    /// Somebody else publishes, after a flush.
    Foreign,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    records_max: usize,
    bytes_max: u64,
    ack: AckMode,
    expects: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0_usize..60).prop_map(Step::Send),
        2 => Just(Step::Flush),
        1 => Just(Step::Foreign),
    ];
    prop::collection::vec(step, 0..80)
}

fn settings() -> impl Strategy<Value = Settings> {
    let ack = prop_oneof![Just(AckMode::Visible), Just(AckMode::Durable)];
    (1_usize..8, 30_u64..150, ack, any::<bool>()).prop_map(|(records_max, bytes_max, ack, expects)| {
        Settings {
            records_max,
            bytes_max,
            ack,
            expects,
        }
    })
}

/// What a message has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// In the batch with these offsets, at the first of them.
    At(u64, u64, u64),
    Failed,
    Behind,
    TooLarge,
}

/// What a producer that lingers for ever does.
struct Model {
    settings: Settings,
    values: Vec<usize>,
    /// The messages of the batch that gathers: their number among all sent.
    open: Vec<usize>,
    open_size: u64,
    expected: u64,
    has_failed: bool,
    fates: Vec<Fate>,
}

impl Model {
    fn send(&mut self, len: usize) {
        let size = len as u64 + 8;
        let number = self.fates.len();
        if size > self.settings.bytes_max {
            self.fates.push(Fate::TooLarge);
            return;
        }
        self.fates.push(Fate::Behind);
        if self.has_failed {
            return;
        }
        if self.open_size + size > self.settings.bytes_max {
            self.publish();
            if self.has_failed {
                return;
            }
        }
        self.open.push(number);
        self.open_size += size;
        if self.open.len() == self.settings.records_max || self.open_size == self.settings.bytes_max {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let numbers = std::mem::take(&mut self.open);
        self.open_size = 0;
        let start = self.values.len() as u64;
        if numbers.is_empty() {
            return;
        }
        if self.settings.expects && self.expected != start {
            self.has_failed = true;
        }
        let end = start + numbers.len() as u64;
        for (at, number) in (start..).zip(numbers) {
            self.fates[number] = if self.has_failed {
                Fate::Failed
            } else {
                Fate::At(at, start, end)
            };
            if !self.has_failed {
                self.values.push(number);
            }
        }
        self.expected = end;
    }
}

/// The number that stands for a message of somebody else.
const FOREIGN: usize = usize::MAX;

fn value(number: usize, len: usize) -> Vec<u8> {
    let mut value = vec![0; len];
    for (byte, filled) in number.to_be_bytes().iter().rev().zip(&mut value) {
        *filled = *byte;
    }
    value
}

fn fate(sent: Result<Ticket>) -> Fate {
    match sent.and_then(Ticket::wait) {
        Ok((offset, ack)) => Fate::At(offset, ack.start.offset, ack.end.offset),
        Err(Error::ProducerFailed { is_behind: false, .. }) => Fate::Failed,
        Err(Error::ProducerFailed { is_behind: true, .. }) => Fate::Behind,
        Err(Error::TooLarge { .. }) => Fate::TooLarge,
        Err(error) => panic!("failed otherwise: {error}"),
    }
}

fn as_log(log: impl Log + 'static) -> Arc<dyn Log> {
    Arc::new(log)
}

fn run(log: &Arc<dyn Log>, settings: Settings, steps: &[Step]) {
    let mut options: ProducerOptions = lazy()
        .records_max(settings.records_max)
        .bytes_max(settings.bytes_max)
        .ack(settings.ack);
    if settings.expects {
        options = options.expect_next_offset(0);
    }
    let producer = Producer::new(Arc::clone(log), options).expect("valid options");
    let mut model = Model {
        settings,
        values: Vec::new(),
        open: Vec::new(),
        open_size: 0,
        expected: 0,
        has_failed: false,
        fates: Vec::new(),
    };
    let (mut sent, mut contents) = (Vec::new(), Vec::new());
    for step in steps {
        match *step {
            Step::Send(len) => {
                let content = value(sent.len(), len);
                sent.push(producer.send(NewMessage::value(&content)));
                contents.push(content);
                model.send(len);
            }
            Step::Flush | Step::Foreign => {
                model.publish();
                assert_eq!(producer.flush().is_err(), model.has_failed);
            }
        }
        if let Step::Foreign = step {
            log.publish(&[NewMessage::value(b"foreign")]).expect("published");
            model.values.push(FOREIGN);
        }
    }
    model.publish();
    assert_eq!(producer.close().is_err(), model.has_failed);
    let fates: Vec<_> = sent.into_iter().map(fate).collect();
    assert_eq!(fates, model.fates);
    let read = read_all(&**log).expect("read");
    let values: Vec<_> = read
        .iter()
        .map(|message| message.value.as_deref().unwrap_or_default())
        .collect();
    let expected: Vec<_> = model
        .values
        .iter()
        .map(|number| contents.get(*number).map_or(&b"foreign"[..], |content| content))
        .collect();
    assert_eq!(values, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_log_in_memory_gets_what_the_model_says(settings in settings(), steps in steps()) {
        run(&as_log(MemoryLog::new()), settings, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_log_in_files_gets_what_the_model_says(settings in settings(), steps in steps()) {
        let dir = fast_dir();
        run(&as_log(Options::new().open(dir.path()).expect("a new log")), settings, &steps);
    }

    #[test]
    fn a_partition_gets_what_the_model_says(settings in settings(), steps in steps()) {
        let dir = fast_dir();
        let store = StoreOptions::new().create_dirs(true).open(dir.path().join("store")).expect("a new store");
        store.create("stream", &StreamConfig::new()).expect("created");
        let partition = store.stream("stream").expect("there").partition(0).expect("there");
        run(&as_log(partition), settings, &steps);
        store.close().expect("closed");
    }
}
