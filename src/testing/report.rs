use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Case, Factory, cases};

/// What became of the cases that were to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "failed cases are only told here"]
pub struct Report {
    /// The names of the cases that the log passed.
    pub passed: Vec<&'static str>,
    /// The cases that it failed.
    pub failed: Vec<Failure>,
    /// The names of the cases that were left out.
    pub skipped: Vec<&'static str>,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The case's [name](Case::name).
    pub name: &'static str,
    /// The message of the panic. Its place in the source, too, went to where the panic hook writes: by default,
    /// stderr.
    pub message: String,
}

impl Report {
    /// Whether no case failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Report {
    /// Every failed case with its message, and a line that counts.
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

/// As [`run_all`], of the cases for which `chosen` says so: all but the [heavy](Case::heavy) ones, say, or a single
/// one by its name.
///
/// A panic in a case is caught and reported; what it prints on the way is left to the panic hook.
pub fn run_where(new: Factory<'_>, chosen: impl Fn(&Case) -> bool) -> Report {
    let mut report = Report::default();
    for case in cases() {
        if !chosen(case) {
            report.skipped.push(case.name);
            continue;
        }
        // The log of a failed case is dropped with it, so nothing half done is seen again.
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
