use super::*;

#[test]
fn an_error_is_small_and_can_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Error>();
    assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
}

#[test]
fn too_large_says_what_is_too_large() {
    let error = |index| Error::TooLarge {
        index,
        size: 13,
        limit: 10,
    };
    assert_eq!(
        error(Some(3)).to_string(),
        "message 3 of the batch takes 13 bytes, 3 more than the limit of 10"
    );
    assert_eq!(
        error(None).to_string(),
        "the batch takes 13 bytes, 3 more than the limit of 10"
    );
}

/// Goal: whoever prints an error sees what caused it. Method: each kind that has a cause.
#[test]
fn the_text_of_an_error_includes_its_cause() {
    let path = PathBuf::from("log");
    let cause = || io::Error::from(io::ErrorKind::StorageFull);
    let operation = "write";
    let message = crate::Message {
        offset: 7,
        time: crate::Timestamp::from_micros(0),
        key: None,
        value: None,
        headers: crate::Headers::default(),
    };
    let errors = [
        Error::SyncFailed {
            path: path.clone(),
            source: cause(),
        },
        Error::Poisoned {
            path: Some(path.clone()),
            source: cause(),
        },
        Error::Io {
            operation,
            path,
            source: cause(),
        },
        Error::Encode {
            index: 2,
            part: MessagePart::Key,
            source: Box::new(cause()),
        },
        DecodeError::new(message, MessagePart::Value, Box::new(cause())).into(),
    ];
    let wanted = [
        "log: sync failed, messages not yet synced may or may not survive: no storage space",
        "log: an earlier write or sync failed, so the handle no longer writes; open the log again: \
         no storage space",
        "log: cannot write: no storage space",
        "the key of message 2 of the batch cannot be encoded: no storage space",
        "the value of the message at offset 7 cannot be decoded: no storage space",
    ];
    for (error, wanted) in errors.iter().zip(wanted) {
        assert_eq!(error.to_string(), wanted);
        let source = std::error::Error::source(error).expect("a cause");
        assert_eq!(source.to_string(), "no storage space");
    }
}

#[test]
fn a_missing_index_is_named_with_the_way_to_have_it() {
    let error = |index, path| Error::NoIndex { index, path };
    assert_eq!(
        error(IndexKind::Key, Some("logs/a".into())).to_string(),
        "logs/a: the log has no key index; open it with `Options::key_index(true)`"
    );
    assert_eq!(
        error(IndexKind::Time, None).to_string(),
        "the log has no time index; open it with `Options::time_index(true)`"
    );
}

#[test]
fn trimmed_is_distinguished_from_not_yet_published() {
    let error = |offset| Error::OffsetOutOfRange {
        offset,
        start: 4,
        next: 9,
    };
    assert!(error(3).is_trimmed() && !error(10).is_trimmed());
}
