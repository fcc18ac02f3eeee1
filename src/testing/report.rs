use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::case::{Case, Factory};
use super::list::cases;

/// The results of the cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "only the report says which cases failed"]
pub struct Report {
    /// The names of the cases that the log passed.
    pub passed: Vec<&'static str>,
    /// The cases that the log failed.
    pub failed: Vec<Failure>,
    /// The names of the cases that were not run.
    pub skipped: Vec<&'static str>,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The case's [name](Case::name).
    pub name: &'static str,
    /// The message of the panic. The panic hook also printed it with its source location, by
    /// default to stderr.
    pub message: String,
}

impl Report {
    /// Whether no case has failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Report {
    /// Every failed case with its message, then a line with the number of cases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failed {
            writeln!(f, "{failure}\n")?;
        }
        write!(
            f,
            "{} cases passed, {} failed, {} skipped",
            self.passed.len(),
            self.failed.len(),
            self.skipped.len()
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAILED {}", self.name)?;
        for line in self.message.lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// Runs every case, one after the other, on logs that `new` makes.
///
/// ```
/// use duramen::{MemoryLog, testing};
///
/// # if false {  // the heavy cases take a few seconds
/// let report = testing::run_all(&|setup| Box::new(MemoryLog::with_options(&setup.options())));
/// assert!(report.is_ok(), "{report}");
/// # }
/// ```
pub fn run_all(new: Factory<'_>) -> Report {
    run_where(new, |_| true)
}

/// As [`run_all`], but runs only the cases for which `chosen` returns true: for instance all but
/// the [heavy](Case::heavy) ones, or a single case by its name.
///
/// A panic in a case is caught and reported. The panic hook prints it as usual.
pub fn run_where(new: Factory<'_>, chosen: impl Fn(&Case) -> bool) -> Report {
    let mut report = Report::default();
    for case in cases() {
        if !chosen(case) {
            report.skipped.push(case.name);
            continue;
        }
        // The logs of a failed case are dropped with it, so no other case sees their state.
        match catch_unwind(AssertUnwindSafe(|| (case.run)(new))) {
            Ok(()) => report.passed.push(case.name),
            Err(panic) => report.failed.push(Failure {
                name: case.name,
                message: message_of(&*panic),
            }),
        }
    }
    report
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a message".to_owned(),
    }
}
