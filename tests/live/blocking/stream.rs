//! `BlockingLog::stream`, on a runtime.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use duramen::{BlockingLog, Error, Log, LogStream, MemoryLog, NewMessage, Start};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::{Stream, StreamExt};

use super::support::{LONG, on_each, publish, publish_many, until};
use crate::minimal::Minimal;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime")
}

async fn next_offset<L: Log>(stream: &mut LogStream<L>) -> u64 {
    let next = tokio::time::timeout(LONG, stream.next());
    next.await
        .expect("a task sleeps for ever")
        .expect("not closed")
        .expect("no error")
        .offset
}

#[test]
fn it_replays_then_tails_and_ends_at_the_close() {
    on_each(|subject| {
        if subject.name == "silent" {
            return;
        }
        publish_many(&subject.log, 600);
        let got = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&got);
        let stream = subject.log.stream(Start::Oldest).map(move |message| {
            counted.fetch_add(1, Ordering::Relaxed);
            message.unwrap().offset
        });
        let runtime = runtime();
        let task = runtime.spawn(stream.collect::<Vec<u64>>());
        for _ in 0..50 {
            publish(&*subject.beside, "new");
            std::thread::sleep(Duration::from_micros(300));
        }
        until(|| got.load(Ordering::Relaxed) == 650);
        subject.log.close().unwrap();
        let got = runtime.block_on(async { tokio::time::timeout(LONG, task).await });
        assert_eq!(
            got.expect("ends").expect("no panic"),
            (0..650).collect::<Vec<_>>()
        );
    });
}

#[test]
fn many_tasks_on_few_threads_all_wake() {
    let log = BlockingLog::new(Arc::new(MemoryLog::new()));
    let runtime = runtime();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = log.stream(Start::Oldest);
            runtime.spawn(async move {
                for expected in 0..20 {
                    assert_eq!(next_offset(&mut stream).await, expected);
                }
            })
        })
        .collect();
    for _ in 0..20 {
        publish(&**log.raw(), "x");
        std::thread::sleep(Duration::from_millis(2));
    }
    for task in tasks {
        runtime.block_on(task).expect("no panic");
    }
}

/// A task that always has messages lets others run.
#[test]
fn a_long_replay_lets_others_go_first() {
    let log = BlockingLog::new(MemoryLog::new());
    log.publish(&vec![NewMessage::default(); 10_000]).unwrap();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut turns = 0;
        let mut stream = log.stream(Start::Oldest).take(10_000);
        let replay = async { while stream.next().await.is_some() {} };
        tokio::pin!(replay);
        std::future::poll_fn(|context| {
            turns += 1;
            replay.as_mut().poll(context)
        })
        .await;
        assert!(turns >= 10_000 / 256, "{turns}");
    });
}

#[test]
fn a_trim_and_an_error_are_as_with_follow() {
    let log = BlockingLog::new(MemoryLog::new());
    publish_many(&log, 4);
    let mut stream = log.stream(Start::At(1));
    log.trim(3).unwrap();
    runtime().block_on(async {
        assert!(stream.next().await.unwrap().unwrap_err().is_trimmed());
        assert_eq!(next_offset(&mut stream).await, 3);
        let mut beyond = log.stream(Start::At(9));
        assert!(matches!(
            beyond.next().await,
            Some(Err(Error::OffsetOutOfRange { .. }))
        ));
        assert!(beyond.next().await.is_none());
    });
}

#[test]
fn a_stream_of_a_log_that_does_not_tell_says_so_at_the_end() {
    let log = BlockingLog::new(Minimal::default());
    publish(&log, "0");
    let mut stream = log.stream(Start::Oldest);
    runtime().block_on(async {
        assert_eq!(next_offset(&mut stream).await, 0);
        assert!(matches!(stream.next().await, Some(Err(Error::Invalid(_)))));
        assert!(stream.next().await.is_none());
    });
}

/// A waker that owns a stream of the same log: letting go of it must not meet a lock.
#[test]
fn a_task_may_end_when_its_waker_is_replaced() {
    struct Owner(Mutex<Option<LogStream<Arc<MemoryLog>>>>);
    impl Wake for Owner {
        fn wake(self: Arc<Owner>) {
            drop(self.0.lock().expect("no panic").take());
        }
    }
    let log = BlockingLog::new(Arc::new(MemoryLog::new()));
    let mut stream = log.stream(Start::Oldest);
    for _ in 0..3 {
        let owner = Arc::new(Owner(Mutex::new(Some(log.stream(Start::Newest)))));
        let waker = Waker::from(owner);
        let polled = Pin::new(&mut stream).poll_next(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    publish(&log, "0");
    let polled = Pin::new(&mut stream).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready());
}
