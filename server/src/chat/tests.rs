//! The chat over a store that fails, or that other processes write too.

mod failures;
mod memory;
mod processes;
mod queue;
mod replays;
mod speed;
