//! `duramen store`: every command, on a store in a directory of its own.

mod beside;
mod changing;
mod completing;
mod configuring;
mod consuming;
mod events;
mod following;
mod publishing;
mod refused;
mod whole;

use serde_json::Value;

use crate::harness::{Place, Run, run_with};

/// A store.
struct Store(Place);

impl Store {
    /// A store with these streams, each with these options.
    fn with(streams: &[(&str, &[&str])]) -> Store {
        let store = Store(Place::new());
        for (name, options) in streams {
            store.run(&[&["create", name], *options].concat()).ok();
        }
        store
    }

    fn dir(&self) -> &str {
        self.0.dir()
    }

    fn run(&self, args: &[&str]) -> Run {
        self.0.run("store", args)
    }

    fn publish(&self, args: &[&str], input: &str) -> Run {
        run_with(
            &[&["store", self.dir(), "publish"], args].concat(),
            input.as_bytes(),
        )
    }

    /// The one object that a command prints.
    fn object(&self, args: &[&str]) -> Value {
        let run = self.run(args);
        run.ok();
        let mut lines = run.json();
        assert_eq!(lines.len(), 1, "{run:?}");
        lines.remove(0)
    }

    /// What `consume` prints in the format of text, without the times.
    fn lines(&self, args: &[&str]) -> Vec<String> {
        let run = self.run(&[&["consume"], args, &["--format", "text"]].concat());
        run.ok().lines().map(without_time).collect()
    }
}

/// A line of text without its time, with spaces between the fields.
fn without_time(line: &str) -> String {
    let mut fields: Vec<_> = line.split('\t').collect();
    fields.remove(2);
    fields.join(" ")
}
