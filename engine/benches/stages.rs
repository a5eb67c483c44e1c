//! What barriers cost: an empty stage by the number of threads, beside the stages of a decode step of the shape
//! llama-3.1-8b. `THREADS.md` has the model for more threads than the machine at hand has.
//!
//! ```sh
//! cargo bench -p nibble-engine --bench stages
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark prints what it finds")]

use std::thread;

use nibble_engine::Error;
use nibble_engine::bench::{EmptyStages, StepStages};

const SHAPE: &str = "llama-3.1-8b";
/// Those of an r8g.4xlarge, by which the stages are counted.
const THREADS: usize = 16;

fn main() -> Result<(), Error> {
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let step = StepStages::of_shape(SHAPE, THREADS)?;
    let StepStages {
        stages,
        shared_bytes,
        weight_bytes,
    } = step;
    println!(
        "A decode step of {SHAPE} on {THREADS} threads reads {:.0} MB of weights and has {stages} stages, which write at most {:.1} MB.\n",
        weight_bytes as f64 / 1e6,
        shared_bytes as f64 / 1e6
    );
    println!("| threads | empty stage, µs | {stages} of them, µs |\n|---|---|---|");
    for threads in 1..=cpus {
        let us = EmptyStages::new(threads)?.time().as_secs_f64() * 1e6;
        println!("| {threads} | {us:.2} | {:.0} |", us * stages as f64);
    }
    Ok(())
}
