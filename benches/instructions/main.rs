//! How many instructions the library's calls take.
//!
//! A machine's speed changes from minute to minute, and the number of instructions does not. So
//! this tells small changes apart that `targets` cannot. It says nothing about cache misses, page
//! faults, system calls and waiting.
//!
//! This program runs itself under valgrind, whose tool `cachegrind` counts, once with a number of
//! calls and once with twice as many. The difference, divided by that number, is what it prints:
//! everything that both runs do cancels out.
//!
//! ```text
//! cargo bench --bench instructions -- [part of a name] [--dir PATH]
//! ```

mod calls;
mod count;
#[path = "../targets/exit.rs"]
mod exit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use calls::{CALLS, Call};

/// The result of a measurement. A failed check or call ends the whole run.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The first argument of a child.
const CHILD: &str = "child";

fn main() -> ExitCode {
    exit::code("instructions", run())
}

fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name, messages, times, dir] = &arguments[..]
        && first == CHILD
    {
        let call = CALLS.iter().find(|call| call.name == name);
        let call = call.ok_or_else(|| format!("unknown call {name}"))?;
        return call.run(Path::new(dir), messages.parse()?, times.parse()?);
    }
    let mut plan = Plan::parse(&arguments)?;
    plan.dir.push(format!("run-{}", std::process::id()));
    fs::create_dir_all(&plan.dir)?;
    let outcome = plan.measure();
    fs::remove_dir_all(&plan.dir)?;
    match outcome? {
        Counted::All => Ok(()),
        Counted::Nothing(why) if plan.is_short => {
            println!("nothing was tried: {why}");
            Ok(())
        }
        Counted::Nothing(why) => Err(why.into()),
    }
}

/// Whether instructions can be counted on this machine.
#[derive(Debug)]
enum Counted {
    All,
    /// No, and why.
    Nothing(&'static str),
}

/// The command line.
#[derive(Debug)]
struct Plan {
    /// A part of the names of the calls to measure; empty for all.
    part: String,
    dir: PathBuf,
    /// The number of messages that are published or read; twice as many for the second figure.
    messages: usize,
    is_short: bool,
}

impl Plan {
    fn parse(arguments: &[String]) -> Outcome<Plan> {
        // `cargo test --benches` runs this without arguments, only to show that everything works.
        let is_short = arguments.is_empty();
        let mut plan = Plan {
            part: String::new(),
            dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench-data"),
            messages: if is_short { 256 } else { 64 << 8 },
            is_short,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--bench" => {}
                "--dir" => plan.dir = PathBuf::from(rest.next().ok_or("--dir needs a value")?),
                part if part.starts_with('-') => return Err(format!("unknown argument {part}").into()),
                part => part.clone_into(&mut plan.part),
            }
        }
        Ok(plan)
    }

    fn measure(&self) -> Outcome<Counted> {
        if !count::is_installed() {
            return Ok(Counted::Nothing("valgrind is not installed"));
        }
        calls::build(&self.dir.join(calls::BUILT), 2 * self.messages)?;
        let wanted = CALLS.iter().filter(|call| call.name.contains(&self.part));
        // In the short run one of those that read and one of those that write are enough.
        let wanted: Vec<&Call> = if self.is_short {
            wanted.step_by(CALLS.len() - 1).collect()
        } else {
            wanted.collect()
        };
        if wanted.is_empty() {
            return Err(format!("no call has {:?} in its name", self.part).into());
        }
        let mut head = "| what | instructions |\n|---|---:|\n";
        for call in wanted {
            let count = |times| count::instructions(call.name, self.messages, times, &self.dir);
            let (Some(once), Some(twice)) = (count(1)?, count(2)?) else {
                return Ok(Counted::Nothing(
                    "rustix has to be built with its feature use-libc-auxv",
                ));
            };
            let more = twice.saturating_sub(once);
            println!(
                "{head}| {} | {} |",
                call.name,
                more.div_ceil(self.messages as u64)
            );
            head = "";
        }
        Ok(Counted::All)
    }
}
