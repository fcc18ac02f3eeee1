//! Cursors and queues in async code, with tokio and without any runtime.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use duramen::queue::{Job, Queue, QueueOptions};
use duramen::{
    BlockingLog, Control, Error, Filter, Log, MemoryLog, NewMessage, PublishOptions, Result, Start,
};
use tokio_stream::StreamExt;

use super::Source;
use crate::executor::block_on;

const MOMENT: Duration = Duration::from_millis(30);

fn numbered(count: u64) -> Arc<MemoryLog> {
    let log = MemoryLog::new();
    (0..count).for_each(|_| publish(&log));
    Arc::new(log)
}

fn publish(log: &MemoryLog) {
    log.publish(&[NewMessage::value(b"value")]).expect("published");
}

fn seal<L: Log>(log: &L) {
    let how = PublishOptions::new().and(Control::Seal);
    log.append(&[], &how).expect("sealed");
}

#[test]
fn a_stream_returns_what_passes_the_filter_and_waits_without_a_runtime() {
    for source in [Source::memory(), Source::files(), Source::partition()] {
        source.publish("abab");
        let mut stream = source.cursor(0, "b").expect("a cursor").into_stream();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(MOMENT);
                source.publish("aab");
            });
            for expected in [1, 3, 6] {
                let message = block_on(stream.next()).expect("open");
                assert_eq!(message.expect("read").offset, expected);
                assert_eq!(stream.next_offset(), expected + 1);
            }
        });
    }
}

#[test]
fn a_stream_ends_when_it_is_closed_also_while_it_waits() {
    let source = Source::memory();
    let mut stream = source.all(0).into_stream();
    let closer = stream.closer();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(MOMENT);
            closer.close().expect("closed");
        });
        assert!(block_on(stream.next()).is_none());
    });
    assert!(block_on(stream.next()).is_none());
}

#[test]
fn a_stream_ends_with_a_sealed_log_and_after_an_error() {
    let source = Source::memory();
    source.publish("abc");
    let ends = source.all(1).into_stream();
    seal(&source.log);
    let offsets = ends.map(|message| message.expect("read").offset);
    assert_eq!(block_on(offsets.collect::<Vec<_>>()), [1, 2]);

    let source = Source::files();
    source.publish("abc");
    let trimmed = source.all(0);
    source.log.trim(2).expect("trimmed");
    let messages: Vec<Result<_>> = block_on(trimmed.into_stream().collect());
    assert!(
        matches!(&messages[..], [Err(error)] if error.is_trimmed()),
        "{messages:?}"
    );
}

#[test]
fn a_task_of_tokio_waits_for_a_cursor() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let runtime = runtime.expect("a runtime");
    let log = BlockingLog::new(numbered(0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let stream = log
                .cursor(Start::Oldest, Filter::any())
                .expect("a cursor")
                .into_stream();
            let offsets = stream.map(|message| message.expect("read").offset);
            runtime.spawn(offsets.take(20).collect::<Vec<_>>())
        })
        .collect();
    for _ in 0..20 {
        log.publish(&[NewMessage::value(b"value")]).expect("published");
        thread::sleep(Duration::from_millis(1));
    }
    for task in tasks {
        assert_eq!(
            runtime.block_on(task).expect("no panic"),
            (0..20).collect::<Vec<_>>()
        );
    }
}

/// A queue of a log in memory.
fn queue(log: &Arc<MemoryLog>, how: QueueOptions) -> (tempfile::TempDir, Queue<Arc<MemoryLog>>) {
    let dir = tempfile::tempdir().expect("a directory");
    let queue = Queue::open(Arc::clone(log), dir.path().join("queue"), how).expect("opened");
    (dir, queue)
}

fn next<L: Log>(queue: &Queue<L>) -> Job<L> {
    block_on(queue.next_async()).expect("looked").expect("a job")
}

#[test]
fn a_task_gets_jobs_as_they_come_without_a_runtime() {
    let log = numbered(1);
    let (_dir, queue) = queue(&log, QueueOptions::new());
    next(&queue).done().expect("done");
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(MOMENT);
            publish(&log);
        });
        let job = next(&queue);
        assert_eq!(job.offset, 1);
        job.done().expect("done");
    });
    seal(&log);
    assert!(block_on(queue.next_async()).expect("looked").is_none());
    queue.close().expect("closed");
    assert!(matches!(block_on(queue.next_async()), Err(Error::Closed)));
}

#[test]
fn a_task_is_woken_by_the_queue_and_when_a_delay_or_a_lease_is_over() {
    let log = numbered(1);
    let (_dir, queue) = queue(&log, QueueOptions::new().lease(MOMENT));
    next(&queue).retry(MOMENT).expect("put back");
    let late = next(&queue);
    assert_eq!(late.attempt(), 2);
    let job = next(&queue);
    assert_eq!(job.attempt(), 3);
    assert!(matches!(late.done(), Err(Error::LeaseLost { .. })));
    thread::scope(|scope| {
        let other = queue.clone();
        let waits = scope.spawn(move || next(&other).attempt());
        thread::sleep(Duration::from_millis(5));
        job.retry(Duration::ZERO).expect("put back");
        assert_eq!(waits.join().expect("no panic"), 4);
    });
}

#[test]
fn a_task_that_gave_up_has_taken_no_job() {
    let log = numbered(0);
    let (_dir, queue) = queue(&log, QueueOptions::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let gave_up = runtime
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(Duration::from_millis(1), queue.next_async()).await });
    assert!(gave_up.is_err());
    publish(&log);
    assert_eq!(next(&queue).attempt(), 1);
}

#[test]
fn tasks_of_tokio_share_a_queue() {
    const COUNT: u64 = 500;
    let log = numbered(COUNT);
    let (_dir, queue) = queue(&log, QueueOptions::new());
    seal(&log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let runtime = runtime.expect("a runtime");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let queue = queue.clone();
            runtime.spawn(async move {
                let mut offsets = Vec::new();
                while let Some(job) = queue.next_async().await.expect("looked") {
                    offsets.push(job.offset);
                    tokio::task::yield_now().await;
                    job.done().expect("done");
                }
                offsets
            })
        })
        .collect();
    let offsets = tasks
        .into_iter()
        .flat_map(|task| runtime.block_on(task).expect("no panic"));
    let mut offsets: Vec<_> = offsets.collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..COUNT).collect::<Vec<_>>());
}
