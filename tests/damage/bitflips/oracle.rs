//! What a damaged log may say: the right thing, or that it is corrupt.

use std::collections::BTreeSet;
use std::path::Path;

use duramen::{Batch, BatchBuf, Error, FileLog, Log, Message, Result, Start, Timestamp};

use crate::common::Item;
use crate::verdict::{self, Verdict, ensure};

/// How reading went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) next_offset: u64,
    /// Calls that said that the log is corrupt.
    pub(crate) corrupt: u64,
    /// Messages that could not be had one by one.
    pub(crate) unreadable: u64,
}

/// Turns a panic into a verdict.
pub(crate) fn without_panic<T>(check: impl FnOnce() -> Verdict<T>) -> Verdict<T> {
    verdict::without_panic(check, |text| format!("panic: {text}"))
}

/// How much is asked of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every message by its offset, every key, some times, and everything in one go.
    Once,
    /// Every question that there is.
    Full,
}

/// Compares answers with the model, as far as the log says that it goes.
pub(crate) fn examine(log: &FileLog, model: &[Item], dir: &Path, depth: Depth) -> Verdict<Seen> {
    let next_offset = log
        .next_offset()
        .map_err(|error| format!("next_offset: {error}"))?;
    ensure!(
        next_offset <= model.len() as u64,
        "phantom: the log goes up to {next_offset}"
    );
    let len = usize::try_from(next_offset).expect("small");
    let mut examination = Examination {
        log,
        dir,
        model: &model[..len],
        depth,
        seen: Seen {
            next_offset,
            ..Seen::default()
        },
    };
    examination.start()?;
    examination.gets()?;
    examination.consumes()?;
    examination.scan()?;
    examination.keys()?;
    examination.times()?;
    Ok(examination.seen)
}

/// Whether an error says properly that the log is corrupt.
pub(crate) fn is_corrupt(error: &Error, dir: &Path) -> Verdict<()> {
    match error {
        Error::Corrupt { path, position, .. } => {
            ensure!(
                path.starts_with(dir) && path != dir,
                "corrupt, but of what? {error}"
            );
            ensure!(*position <= 1 << 16, "corrupt, but where? {error}");
            Ok(())
        }
        other => Err(format!("an error of another kind: {other:?}")),
    }
}

struct Examination<'a> {
    log: &'a FileLog,
    dir: &'a Path,
    model: &'a [Item],
    depth: Depth,
    seen: Seen,
}

impl Examination<'_> {
    /// The answer, or `None` if the log says that it is corrupt.
    fn answer<T>(&mut self, answer: Result<T>) -> Verdict<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => {
                is_corrupt(&error, self.dir)?;
                self.seen.corrupt += 1;
                Ok(None)
            }
        }
    }

    /// As `answer`, for calls that find one message or none.
    #[expect(clippy::option_option, reason = "reported or not, and if not, there or not")]
    fn found(&mut self, answer: Result<Message>) -> Verdict<Option<Option<Message>>> {
        match answer {
            Err(Error::NotFound) => Ok(Some(None)),
            other => Ok(self.answer(other)?.map(Some)),
        }
    }

    fn is(&self, offset: usize, message: &Message) -> bool {
        self.model
            .get(offset)
            .is_some_and(|item| item.is(offset as u64, message))
    }

    fn same(&self, expected: Option<usize>, message: Option<&Message>) -> bool {
        match (expected, message) {
            (Some(offset), Some(message)) => self.is(offset, message),
            (None, None) => true,
            _ => false,
        }
    }

    fn start(&mut self) -> Verdict<()> {
        let start = self.log.start_offset();
        ensure!(matches!(start, Ok(0)), "start_offset: {start:?}");
        if let Some(stats) = self.answer(self.log.stat())? {
            ensure!(stats.messages == self.model.len() as u64, "stat: {stats:?}");
            ensure!(stats.next_offset == self.seen.next_offset, "stat: {stats:?}");
        }
        Ok(())
    }

    fn gets(&mut self) -> Verdict<()> {
        for offset in 0..self.model.len() {
            match self.answer(self.log.get(Start::At(offset as u64)))? {
                Some(message) => ensure!(self.is(offset, &message), "get {offset}: {message:?}"),
                None => self.seen.unreadable += 1,
            }
        }
        let last = self.model.len().checked_sub(1);
        for (at, expected) in [(Start::Oldest, last.map(|_| 0)), (Start::Newest, last)] {
            if let Some(message) = self.found(self.log.get(at))? {
                ensure!(self.same(expected, message.as_ref()), "get {at:?}: {message:?}");
            }
        }
        let beyond = self.log.get(Start::At(self.seen.next_offset));
        ensure!(
            matches!(beyond, Err(Error::OffsetOutOfRange { .. })),
            "get at the end: {beyond:?}"
        );
        Ok(())
    }

    fn consumes(&mut self) -> Verdict<()> {
        let len = self.model.len();
        let (step, counts) = match self.depth {
            Depth::Once => (11, &[1000][..]),
            Depth::Full => (1, &[1, 4, 1000][..]),
        };
        for from in (0..=len).step_by(step) {
            for &max_count in counts {
                let mut buf = BatchBuf::new();
                let lent = self.answer(self.log.consume_into(Start::At(from as u64), max_count, &mut buf))?;
                let Some(batch) = self.answer(self.log.consume(Start::At(from as u64), max_count))? else {
                    ensure!(lent.is_none() && buf.is_empty(), "consume_into {from}: {buf:?}");
                    continue;
                };
                ensure!(
                    lent.is_some() && is_lent(&buf, &batch),
                    "consume_into {from}: {buf:?}, not {batch:?}"
                );
                let count = batch.messages.len();
                ensure!(
                    count <= max_count && (count > 0) == (from < len),
                    "consume {from}: {count} messages"
                );
                ensure!(
                    batch.next_offset == (from + count) as u64,
                    "consume {from}: to {}",
                    batch.next_offset
                );
                let is_right = batch
                    .messages
                    .iter()
                    .zip(from..)
                    .all(|(message, at)| self.is(at, message));
                ensure!(is_right, "consume {from}: {batch:?}");
            }
        }
        for count in [1, 5, 1000] {
            if let Some(batch) = self.answer(self.log.consume(Start::Last(count as u64), 1))? {
                let first = len.saturating_sub(count);
                let expected = (first < len).then_some(first);
                ensure!(
                    self.same(expected, batch.messages.first()),
                    "consume the last {count}: {batch:?}"
                );
            }
        }
        Ok(())
    }

    fn scan(&mut self) -> Verdict<()> {
        let Some(mut scan) = self.answer(self.log.scan(Start::Oldest))? else {
            return Ok(());
        };
        for item in self.model {
            let offset = scan.next_offset();
            let message = match scan.next() {
                Ok(Some(message)) => message,
                Ok(None) => return Err(format!("scan: ends at {offset}")),
                Err(error) => {
                    is_corrupt(&error, self.dir)?;
                    self.seen.corrupt += 1;
                    let again = scan.next().map(|message| message.is_some());
                    ensure!(
                        matches!(again, Err(Error::Corrupt { .. })),
                        "scan: goes on after damage: {again:?}"
                    );
                    return Ok(());
                }
            };
            let headers: Vec<(&[u8], &[u8])> = message.headers().collect();
            let is_right = message.offset == offset
                && message.time.as_micros() == item.time
                && message.key == item.key.as_deref()
                && message.value == item.value.as_deref()
                && headers
                    .iter()
                    .copied()
                    .eq(item.headers.iter().map(|(n, v)| (&n[..], &v[..])));
            ensure!(is_right, "scan: {message:?}");
        }
        ensure!(matches!(scan.next(), Ok(None)), "scan: goes on behind the end");
        Ok(())
    }

    fn keys(&mut self) -> Verdict<()> {
        let keys: BTreeSet<&[u8]> = self.model.iter().filter_map(|item| item.key.as_deref()).collect();
        for key in keys.into_iter().chain([&b"no such key"[..]]) {
            let with_key: Vec<usize> = (0..self.model.len())
                .filter(|at| self.model[*at].key.as_deref() == Some(key))
                .collect();
            if let Some(found) = self.found(self.log.get_by_key(key))? {
                let expected = with_key.last().copied();
                ensure!(
                    self.same(expected, found.as_ref()),
                    "get_by_key {key:?}: {found:?}, not {expected:?}"
                );
            }
            let counts = if self.depth == Depth::Full {
                &[2, 1000][..]
            } else {
                &[1000][..]
            };
            for &max_count in counts {
                self.consume_by_key(key, &with_key, max_count)?;
            }
        }
        Ok(())
    }

    /// Goes through the messages of a key until the log says that one is damaged, at most so many.
    fn consume_by_key(&mut self, key: &[u8], with_key: &[usize], max_count: usize) -> Verdict<()> {
        let mut expected = &with_key[..max_count.min(with_key.len())];
        let mut from = Start::Oldest;
        loop {
            let answer = self.log.consume_by_key(key, from, expected.len().max(1));
            let Some(batch) = self.answer(answer)? else {
                return Ok(());
            };
            let count = batch.messages.len();
            let is_right = count <= expected.len()
                && (count > 0) != expected.is_empty()
                && expected
                    .iter()
                    .zip(&batch.messages)
                    .all(|(at, message)| self.is(*at, message));
            ensure!(is_right, "consume_by_key {key:?}: {batch:?}, not {expected:?}");
            expected = &expected[count..];
            if expected.is_empty() {
                return Ok(());
            }
            from = Start::At(batch.next_offset);
        }
    }

    fn times(&mut self) -> Verdict<()> {
        let times: BTreeSet<i64> = self
            .model
            .iter()
            .flat_map(|item| [item.time, item.time + 1])
            .collect();
        let step = if self.depth == Depth::Full { 1 } else { 5 };
        for time in times.into_iter().step_by(step).chain([i64::MIN, i64::MAX]) {
            let expected = self.model.iter().position(|item| item.time >= time);
            let start = Timestamp::from_micros(time);
            if let Some(found) = self.found(self.log.get_by_time(start))? {
                ensure!(
                    self.same(expected, found.as_ref()),
                    "get_by_time {time}: {found:?}, not {expected:?}"
                );
            }
            if let Some(batch) = self.answer(self.log.consume(Start::Time(start), 1))? {
                let found = batch.messages.first();
                ensure!(
                    self.same(expected, found),
                    "consume from {time}: {found:?}, not {expected:?}"
                );
            }
        }
        Ok(())
    }
}

/// Whether the same messages were lent as were given.
fn is_lent(buf: &BatchBuf, batch: &Batch) -> bool {
    buf.next_offset() == batch.next_offset
        && buf.len() == batch.messages.len()
        && buf.messages().zip(&batch.messages).all(|(lent, given)| {
            (lent.offset, lent.time) == (given.offset, given.time)
                && (lent.key, lent.value) == (given.key.as_deref(), given.value.as_deref())
                && lent.headers().eq(given.headers.iter())
        })
}
