//! Streams are made, opened, listed and deleted, and what goes wrong on the way is told.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use duramen::{
    BlockingLog, Control, Error, ErrorKind, Log, LogExt, NewMessage, PublishOptions, Start, TLog, codec,
};
use duramen_s2::{S2Options, S2Store};
use s2_sdk::S2;
use s2_sdk::types::{RetentionPolicy, S2Config, S2Endpoints};

use crate::server::{BASIN, SERVER, name, new_log, options, store};

#[test]
fn streams_are_made_opened_listed_and_deleted() {
    let stem = name();
    let names = ["a", "b", "c"].map(|end| format!("listed-{stem}-{end}"));
    for name in &names {
        store().create(name).unwrap();
    }
    assert!(matches!(
        store().create(&names[0]),
        Err(Error::StreamExists { .. })
    ));
    store()
        .open_or_create(&names[0])
        .unwrap()
        .publish(&[NewMessage::value(b"0")])
        .unwrap();
    assert_eq!(store().open(&names[0]).unwrap().next_offset().unwrap(), 1);
    let prefix = &names[0][..names[0].len() - 1];
    let page = store().list(prefix, "", 2).unwrap();
    assert_eq!((&page.names[..], page.has_more), (&names[..2], true));
    let page = store().list(prefix, &names[1], 2).unwrap();
    assert_eq!((&page.names[..], page.has_more), (&names[2..], false));
    store().delete(&names[1]).unwrap();
    let gone = store().open(&names[1]).unwrap_err();
    assert!(
        matches!(gone, Error::NoStream { .. } | Error::StreamDeleting { .. }),
        "{gone}"
    );
    assert!(matches!(
        store().open("there is none"),
        Err(Error::NoStream { .. })
    ));
    // The name of another one begins with this.
    assert!(matches!(store().open(prefix), Err(Error::NoStream { .. })));
}

/// The retention of the stream, and whether its times may be ahead of the clock, as the server has them.
fn config(name: &str) -> (Option<RetentionPolicy>, Option<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let endpoints = S2Endpoints::for_endpoint(&format!("http://{}", SERVER.address)).unwrap();
    runtime.block_on(async {
        let s2 = S2::new(S2Config::new("any").with_endpoints(endpoints)).unwrap();
        let config = s2
            .basin(BASIN.parse().unwrap())
            .get_stream_config(name.parse().unwrap())
            .await;
        let config = config.unwrap();
        (
            config.retention_policy,
            config.timestamping.and_then(|times| times.uncapped),
        )
    })
}

#[test]
fn a_stream_keeps_its_messages_unless_it_is_told_otherwise() {
    let [kept, aging] = [name(), name()];
    store().create(&kept).unwrap();
    store()
        .create_with_max_age(&aging, Duration::from_secs(3_600))
        .unwrap();
    assert_eq!(config(&kept), (Some(RetentionPolicy::Infinite), Some(true)));
    assert_eq!(config(&aging), (Some(RetentionPolicy::Age(3_600)), Some(true)));
}

#[test]
fn a_stream_that_is_made_again_is_another_life() {
    let name = name();
    let first = store().create(&name).unwrap();
    first.publish(&[NewMessage::value(b"0")]).unwrap();
    let position = first.position().unwrap().at(1);
    assert_eq!(
        store().open(&name).unwrap().resume(position).unwrap(),
        Start::At(1)
    );
    store().delete(&name).unwrap();
    let again = loop {
        match store().create(&name) {
            Ok(log) => break log,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    again.publish(&[NewMessage::value(b"1")]).unwrap();
    assert!(matches!(again.resume(position), Err(Error::EpochChanged { .. })));
}

#[test]
fn a_server_that_is_not_there_is_told_and_nothing_is_written() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = S2Store::connect(BASIN, &options(free).attempts(2)).unwrap();
    let error = store.open("any").unwrap_err();
    assert!(
        matches!(
            error,
            Error::Remote {
                kind: ErrorKind::NotWritten,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("cannot open the stream on the server: "),
        "{error}"
    );
}

/// It takes connections and says nothing.
#[test]
fn a_server_that_does_not_answer_is_waited_for_as_long_as_it_says() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = options(silent.local_addr().unwrap())
        .attempts(2)
        .timeout(Duration::from_millis(200));
    let store = S2Store::connect(BASIN, &options).unwrap();
    let began = Instant::now();
    let error = store.open("any").unwrap_err();
    assert!(matches!(error, Error::Remote { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    let usage = |error: Error| assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    usage(S2Store::connect("short", &options(SERVER.address)).unwrap_err());
    usage(S2Store::connect(BASIN, &S2Options::new("token").endpoint("no address")).unwrap_err());
    usage(
        S2Store::connect(BASIN, &S2Options::new("two\nlines"))
            .and_then(|store| store.open("any"))
            .unwrap_err(),
    );
    usage(store().create("").unwrap_err());
    usage(store().create(&"x".repeat(513)).unwrap_err());
    assert!(!format!("{:?}", S2Options::new("secret")).contains("secret"));
}

#[test]
fn a_stream_that_is_deleted_under_a_log_is_told() {
    let name = name();
    let log = store().create(&name).unwrap();
    store().delete(&name).unwrap();
    let error = log.publish(&[NewMessage::value(b"late")]).unwrap_err();
    assert!(
        matches!(error, Error::NoStream { .. } | Error::StreamDeleting { .. }),
        "{error}"
    );
}

#[test]
fn a_log_can_be_used_from_a_task_of_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let log = new_log();
    runtime.block_on(async {
        log.publish(&[NewMessage::value(b"0")]).unwrap();
        assert_eq!(log.get(Start::Oldest).unwrap().value.as_deref(), Some(&b"0"[..]));
    });
    // It is dropped there, too.
    runtime.block_on(async move { drop(log) });
}

#[test]
fn who_waits_is_woken_by_another_handle() {
    let log = new_log();
    let other = store().open(log.name()).unwrap();
    let log = BlockingLog::new(log);
    for number in 0..20_u64 {
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| log.consume_blocking(Start::At(number), 10, Some(Duration::from_secs(30))));
            std::thread::sleep(Duration::from_millis(number * 3));
            other.publish(&[NewMessage::value(b"woken")]).unwrap();
            let began = Instant::now();
            assert_eq!(waiting.join().unwrap().unwrap().messages.len(), 1);
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        });
    }
}

#[test]
fn wrappers_of_logs_work() {
    let log = TLog::new(new_log(), codec::Utf8, codec::U64);
    for number in 0..5 {
        log.publish(&[duramen::TNewMessage::new(&"key".to_owned(), &number)])
            .unwrap();
    }
    let read = log.consume(Start::Oldest, 10).unwrap();
    assert_eq!(read.messages.len(), 5);
    let log = new_log();
    log.append(
        &[NewMessage::value(b"0")],
        &PublishOptions::new().and(Control::Fence("a".parse().unwrap())),
    )
    .unwrap();
    log.publish(&[NewMessage::value(b"1")]).unwrap();
    let values: Vec<_> = log
        .iter(0)
        .map(|message| message.unwrap().value.unwrap())
        .collect();
    assert_eq!(values, [&b"0"[..], b"1"]);
    let values: Vec<_> = log
        .reverse_iter()
        .map(|message| message.unwrap().value.unwrap())
        .collect();
    assert_eq!(values, [&b"1"[..], b"0"]);
}
