//! libFuzzer's program for every kind of hostile body: the variable `NIBBLE_FUZZ_TARGET` says which.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
use nibble_engine::fuzzing::{Target, chosen};

#[cfg(fuzzing)]
static TARGET: std::sync::LazyLock<Target> =
    std::sync::LazyLock::new(|| chosen(&nibble_server::fuzzing::TARGETS));

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(
    init: { let _ = *TARGET; },
    |bytes: &[u8]| TARGET(bytes)
);

/// A build without `--cfg fuzzing` only checks that this file is sound.
#[cfg(not(fuzzing))]
fn main() {}
