//! What the errors of S2 are here.

use duramen::{Error, ErrorKind, Token};
use s2_sdk::error::{AppendConditionFailed, AppendError, ErrorCode, ReadError, RequestError};

/// What became of a request that failed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Nothing was written.
    Error(Error),
    /// The records may have been written, or may still be.
    Unknown(Error),
    /// The stream's next sequence number is another one. Nothing was written.
    Offset(u64),
    /// The stream's token is another one. Nothing was written.
    Token(String),
}

impl Refused {
    /// The error of an append that expected this sequence number and this token, if any.
    pub(crate) fn into_error(self, expected: Option<u64>, token: Option<Token>) -> Error {
        match self {
            Refused::Error(error) => error,
            Refused::Unknown(error) => unconfirmed(error),
            Refused::Offset(actual) => Error::OffsetMismatch {
                expected: expected.unwrap_or_default(),
                actual,
            },
            Refused::Token(actual) => Error::Fenced {
                expected: Box::new(token.unwrap_or_default()),
                actual: Box::new(Token::new(&actual).unwrap_or_default()),
            },
        }
    }
}

/// The error of a request that has written nothing, or that changes nothing if it comes twice.
pub(crate) fn of_request(operation: &'static str, stream: &str, error: RequestError) -> Error {
    let code = error
        .server_error()
        .and_then(s2_sdk::error::ServerError::known_code);
    let name = || stream.into();
    let kind = match code {
        Some(ErrorCode::StreamNotFound) => return Error::NoStream { name: name() },
        Some(ErrorCode::StreamDeletionPending) => return Error::StreamDeleting { name: name() },
        Some(ErrorCode::BasinNotFound) => ErrorKind::Absent,
        Some(ErrorCode::BasinDeletionPending | ErrorCode::ResourceAlreadyExists) => ErrorKind::Conflict,
        Some(code) if is_mistake(code) => ErrorKind::Usage,
        Some(_) => ErrorKind::NotWritten,
        None => match &error {
            RequestError::Validation(_) | RequestError::MalformedAccessToken(_) => ErrorKind::Usage,
            _ => ErrorKind::NotWritten,
        },
    };
    remote(operation, kind, error)
}

/// The error of a request that changes something: it may have been done.
pub(crate) fn of_change(operation: &'static str, stream: &str, error: RequestError) -> Error {
    if writes_nothing(&error) {
        return of_request(operation, stream, error);
    }
    unconfirmed(remote(operation, ErrorKind::Unknown, error))
}

/// The error of a read. Where it begins has been written.
pub(crate) fn of_read(operation: &'static str, stream: &str, error: ReadError) -> Error {
    match error {
        ReadError::Request(error) => of_request(operation, stream, error),
        other => remote(operation, ErrorKind::NotWritten, other),
    }
}

/// What became of an append that failed.
pub(crate) fn of_append(stream: &str, error: AppendError) -> Refused {
    match error {
        AppendError::ConditionFailed(AppendConditionFailed::SeqNumMismatch(actual)) => {
            Refused::Offset(actual)
        }
        AppendError::ConditionFailed(AppendConditionFailed::FencingTokenMismatch(actual)) => {
            Refused::Token(actual.to_string())
        }
        AppendError::Request(error) if writes_nothing(&error) => {
            Refused::Error(of_request("append", stream, error))
        }
        other => Refused::Unknown(remote("append", ErrorKind::Unknown, other)),
    }
}

/// Whether the request is wrong, or not allowed.
fn is_mistake(code: ErrorCode) -> bool {
    code.is_auth_error()
        || matches!(
            code,
            ErrorCode::BadFrame
                | ErrorCode::BadHeader
                | ErrorCode::BadJson
                | ErrorCode::BadPath
                | ErrorCode::BadProto
                | ErrorCode::BadQuery
                | ErrorCode::DecryptionFailed
                | ErrorCode::Invalid
                | ErrorCode::NotImplemented
        )
}

/// Whether the server has refused the request, or has not seen it.
fn writes_nothing(error: &RequestError) -> bool {
    let refuses = |code: ErrorCode| {
        is_mistake(code)
            || matches!(
                code,
                ErrorCode::StreamNotFound
                    | ErrorCode::StreamDeletionPending
                    | ErrorCode::BasinNotFound
                    | ErrorCode::BasinDeletionPending
                    | ErrorCode::QuotaExhausted
                    | ErrorCode::ResourceAlreadyExists
            )
    };
    let server = error.server_error();
    error.has_no_side_effects()
        || server.is_some_and(|server| {
            let code = server.known_code();
            code.is_some_and(|code| code.status() == server.status && refuses(code))
        })
}

pub(crate) fn remote(
    operation: &'static str,
    kind: ErrorKind,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::Remote {
        operation,
        kind,
        source: Box::new(source),
    }
}

/// It is not known, and will not be, whether the records are in the stream.
pub(crate) fn unconfirmed(source: Error) -> Error {
    Error::Unconfirmed {
        source: Box::new(source),
    }
}
