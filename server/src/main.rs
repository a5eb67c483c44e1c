//! The `nibble` program.

#![forbid(unsafe_code)]

fn main() {}
