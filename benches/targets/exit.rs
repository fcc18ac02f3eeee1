//! How a program ends.

use std::process::ExitCode;

use crate::Outcome;

/// Says why the program failed, if it did.
pub(crate) fn code(program: &str, outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // The errors of the library say it already.
        if !text.contains(&error.to_string()) {
            text = format!("{text}: {error}");
        }
        cause = error.source();
    }
    eprintln!("{program}: {text}");
    ExitCode::FAILURE
}
