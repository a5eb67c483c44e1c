//! What the machine gives: threads, memory, and the limits of a container.

pub mod cgroup;
pub mod heap;
pub(crate) mod memory;
pub mod survey;
pub(crate) mod threads;
