//! What the machine gives: threads, memory, and the limits of a container.

pub mod cgroup;
pub(crate) mod memory;
pub(crate) mod threads;
