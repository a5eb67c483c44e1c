#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nibble_engine::fuzzing::config(data));
