//! What the benchmark of a long context reads are pages that were written: the process grows by its keys and values.
//!
//! This file has one test, as it looks at the size of its whole process.

#![cfg(target_os = "linux")]

use nibble_engine::bench::{self, Options, Subject};
use nibble_engine::{DecodeThreads, PackedCache, Rounding};

const CONTEXT: usize = 4096;
/// Of SmolLM2 135M: layers, KV heads, head size; keys and values; two bytes each.
const BYTES_PER_TOKEN: usize = 30 * 3 * 64 * 2 * 2;

/// The largest resident size of the process so far, after a decode.
fn peak_after(context: usize, batch: usize) -> usize {
    let report = bench::run(&Options {
        subject: Subject::Shape("smollm2-135m".into()),
        prompt_tokens: 0,
        output_tokens: 1,
        context,
        batch,
        sampled: false,
        sequences: Vec::new(),
        threads: Some(1),
        decode_threads: DecodeThreads::Auto,
        pin: false,
        kernel: None,
        rounding: Rounding::default(),
        packed: PackedCache::Off,
        repetitions: 1,
    })
    .expect("the shape is measured");
    report.peak_rss_bytes.expect("Linux tells") as usize
}

#[test]
fn the_process_grows_by_the_keys_and_values_of_each_sequence() {
    let without = peak_after(0, 1);
    for sequences in [1, 3] {
        let grown = peak_after(CONTEXT, sequences) - without;
        let expected = sequences * CONTEXT * BYTES_PER_TOKEN;
        // The peak without is that of loading, which may be above what stays.
        assert!(
            grown > expected * 8 / 10,
            "{grown} bytes of {expected} for {sequences} sequences"
        );
    }
}
