//! What the machine can do at best.
//!
//! A limit is measured in turn with parts of what it limits, since machines that are shared change from second to second:
//! on one of two chips the read bandwidth of two cores was 35 or 60 GB/s, as they lay on one chip or on both.

use std::time::Instant;

use super::Spread;
use crate::compute::kernel::prefetch;
use crate::machine::threads::Pool;
use crate::model::forward::Model;

/// Speeds of some repetitions, and beside them a limit.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) speed: Option<Spread>,
    /// Median of the limits.
    pub(super) limit: Option<f64>,
    /// Median of speed / limit.
    pub(super) share: Option<f64>,
}

/// Measures a speed so often. Between its parts it calls what it is given, which measures the limit; the limit of a
/// repetition is the median.
pub(super) fn beside(
    repetitions: usize,
    model: &mut Model,
    mut speed: impl FnMut(&mut Model, &mut dyn FnMut(&mut Model)) -> f64,
    limit: impl Fn(&mut Model) -> Option<f64>,
) -> Measured {
    let median = |values| Spread::of(values).map(|spread| spread.median);
    let (mut speeds, mut limits, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let mut between = Vec::new();
        let speed = speed(model, &mut |model| between.extend(limit(model)));
        speeds.push(speed);
        if let Some(limit) = median(between) {
            limits.push(limit);
            shares.push(speed / limit);
        }
    }
    Measured {
        speed: Spread::of(speeds),
        limit: median(limits),
        share: median(shares),
    }
}

/// Bytes a second at which the threads read what a decode step reads of the weights, and do nothing else: the better of
/// what the CPU fetches by itself, and of asking it for bytes ahead as products do.
pub(super) fn read_bandwidth(model: &mut Model) -> f64 {
    /// Bytes ahead that are asked for, which is far enough for every CPU that was measured.
    const AHEAD: usize = 2304;
    /// Bytes that are read until others are asked for.
    const AT_ONCE: usize = 256;
    /// Bytes of a cache line.
    const LINE: usize = 64;
    let plain = bytes_per_second(model, xor);
    let asked = bytes_per_second(model, |piece| {
        piece.chunks(AT_ONCE).fold(0, |sum, bytes| {
            for line in bytes.chunks(LINE) {
                prefetch(line, AHEAD);
            }
            sum ^ xor(bytes)
        })
    });
    plain.max(asked)
}

fn xor(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks().0.iter();
    words.fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word))
}

fn bytes_per_second(model: &mut Model, read: impl Fn(&[u8]) -> u64 + Sync) -> f64 {
    /// Bytes that a thread takes at a time.
    const PIECE: usize = 1 << 20;
    let (threads, weights) = model.pool_and_weights();
    let pieces = weights.read_in_a_step();
    let pieces: Vec<_> = pieces
        .flat_map(|matrix| matrix.packed_bytes().chunks(PIECE))
        .collect();
    let started = Instant::now();
    threads.for_each(pieces.len(), 1, |range| {
        for piece in &pieces[range] {
            std::hint::black_box(read(piece));
        }
    });
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    bytes as f64 / started.elapsed().as_secs_f64()
}

/// Multiply-accumulates a second of all threads on registers alone, where the kernel has a loop for it.
pub(super) fn multiply_rate(model: &mut Model) -> Option<f64> {
    let peak = model.kernel().peak()?;
    Some(rate(model.pool_and_weights().0, peak))
}

fn rate(threads: &mut Pool, peak: fn(usize) -> u64) -> f64 {
    const ITERATIONS: usize = 10_000_000;
    let started = Instant::now();
    threads.for_each(threads.threads(), 1, |_| {
        std::hint::black_box(peak(ITERATIONS));
    });
    let products = peak(1) * ITERATIONS as u64 * threads.threads() as u64;
    products as f64 / started.elapsed().as_secs_f64()
}
