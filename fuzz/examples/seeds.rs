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
    // Any bytes are an input for these. Long ones stand for many calls: a fuzzer that begins with none takes hours to
    // get there.
    for target in ["open_dir", "ops_model"] {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir)?;
        for number in 0..DRAWN {
            fs::write(dir.join(format!("drawn-{number:03}")), drawn(number))?;
        }
    }
    println!(
        "{} inputs and {DRAWN} drawn ones under {}",
        seeds.len(),
        corpus.display()
    );
    Ok(())
}

/// How many inputs are drawn for each target that opens logs.
const DRAWN: u64 = 48;

/// Bytes that depend on the number alone.
fn drawn(number: u64) -> Vec<u8> {
    let len = 64 << (number % 7);
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        // xorshift
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}
