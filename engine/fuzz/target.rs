//! libFuzzer's program for every kind of hostile input: the variable `NIBBLE_FUZZ_TARGET` says which.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(
    init: { let _ = target(); },
    |bytes: &[u8]| target()(bytes)
);

#[cfg(fuzzing)]
fn target() -> fn(&[u8]) {
    use std::sync::OnceLock;

    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let wanted = std::env::var("NIBBLE_FUZZ_TARGET").unwrap_or_default();
        let found = nibble_engine::fuzzing::TARGETS
            .iter()
            .find(|(name, _)| *name == wanted);
        found
            .unwrap_or_else(|| panic!("`NIBBLE_FUZZ_TARGET` names no target: `{wanted}`"))
            .1
    })
}

/// A build without `--cfg fuzzing` only checks that this file is sound.
#[cfg(not(fuzzing))]
fn main() {}
