//! `duramen man`: manual pages.

use clap_mangen::Man;

use crate::failure::Failure;
use crate::output::Output;

/// Print the manual page of duramen, or of one of its commands, for `man -l -`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command, such as `publish` or `store publish`
    #[arg(num_args = 0..)]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args, mut tool: clap::Command) -> Result<(), Failure> {
    // This fills in the full names of the commands, which the pages show.
    tool.build();
    let page = args.command.iter().try_fold(tool, |page, name| {
        let found = page.find_subcommand(name).cloned();
        found.ok_or_else(|| Failure::Usage(format!("there is no command {name}")))
    })?;
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(|source| Failure::Io {
        operation: "render the manual page",
        source,
    })?;
    let mut output = Output::stdout();
    output.bytes(&text)?;
    output.flush()
}
