//! Writes the inputs to begin with to the corpus folders of the targets:
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use std::fs;
use std::io::Result;
use std::path::Path;

fn main() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seeds = duramen::fuzzing::seeds();
    for (number, (target, bytes)) in seeds.iter().enumerate() {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(format!("seed-{number:03}")), bytes)?;
    }
    println!("{} inputs under {}", seeds.len(), corpus.display());
    Ok(())
}
