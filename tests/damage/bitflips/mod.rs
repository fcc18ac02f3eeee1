//! Damage to files: small logs in every state, and of each file every bit flipped, every length cut, every block lost
//! or replaced, one at a time. Whoever reads then gets the right answer or is told that the log is corrupt.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_BITS_STRIDE` | of bits in unused space and among zeros of metadata, flip every so many-th; default 389 |
//! | `DURAMEN_BITS_FULL` | of all damage, ask every question after every so many-th; default 64, 1 for all |
//! | `DURAMEN_BITS_WRITERS` | how many kinds of damage a writer meets, for each log; default 100 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |

mod damage;
mod found;
mod frames;
mod oracle;
mod readers;
mod subject;
mod writers;
