//! `duramen completions`: printing a completion script for a shell.
//!
//! What clap generates knows commands and options. For bash, zsh and fish, functions are added that
//! know streams: where `duramen store DIR COMMAND` is followed by the name of one, they ask
//! `duramen store DIR list --names`.

use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::Output;

/// Print a completion script for a shell.
///
/// The scripts for bash, zsh and fish complete the names of streams, too: `duramen store DIR config
/// NAME`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Where the commands stand in the functions.
const COMMANDS: &str = "COMMANDS";

/// How the function begins that the shell calls.
const BEGIN: &str = "_duramen() {\n";

pub(crate) fn run(args: &Args, mut tool: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tool, "duramen", &mut script);
    let mut output = Output::stdout();
    output.bytes(&script_with_streams(
        &script,
        args.shell,
        &commands_for_a_stream(&tool),
    ))?;
    output.flush()
}

/// The script with functions that know streams.
fn script_with_streams(script: &[u8], shell: Shell, commands: &[&str]) -> Vec<u8> {
    let script = String::from_utf8_lossy(script);
    let with = |functions: &str, between| functions.replace(COMMANDS, &commands.join(between));
    let asked_first = |functions: String| match script.split_once(BEGIN) {
        Some((head, tail)) => {
            format!("{head}{functions}\n{BEGIN}    _duramen_streams \"$@\" && return 0\n\n{tail}")
        }
        None => script.to_string(),
    };
    let script = match shell {
        Shell::Bash => asked_first(with(include_str!("streams.bash"), "|")),
        Shell::Zsh => asked_first(with(include_str!("streams.zsh"), "|")),
        Shell::Fish => format!("{script}\n{}", with(include_str!("streams.fish"), " ")),
        _ => script.to_string(),
    };
    script.into_bytes()
}

/// The commands of `duramen store` that take the name of a stream that is there.
fn commands_for_a_stream(tool: &clap::Command) -> Vec<&str> {
    let of_store = tool.find_subcommand("store").into_iter();
    let all = of_store.flat_map(clap::Command::get_subcommands);
    all.filter(|command| command.get_positionals().any(|arg| arg.get_id() == "stream"))
        .map(clap::Command::get_name)
        .collect()
}
