//! What the machine can do at best.
//!
//! A limit is measured in turn with parts of what it limits, since machines that are shared change from second to second:
//! on one of two chips the read bandwidth of two cores was 35 or 60 GB/s, as they lay on one chip or on both.

use std::time::Instant;

use super::Spread;
use crate::Error;
use crate::compute::kernel::{self, prefetch};
use crate::machine::memory::HugePages;
use crate::machine::threads::{Pool, pool};
use crate::model::forward::Model;

/// What the machine can do at best, by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Threads that did it.
    pub threads: usize,
    /// Bytes a second that they read from memory.
    pub read_bytes_per_second: f64,
    /// Multiply-accumulates a second on registers alone, where the kernel has a loop for that.
    pub multiplies_per_second: Option<f64>,
}

impl Limits {
    /// Measures them with the fastest kernel, the best of three times, which takes about a second where nothing else runs. It
    /// reads so many bytes, which are to be more than every cache holds.
    ///
    /// # Errors
    /// [`Error::Option`] for threads that cannot be had, [`Error::NoThread`], [`Error::NoMemory`].
    pub fn measure(threads: Option<usize>, bytes: usize) -> Result<Self, Error> {
        let mut pool = pool(threads, false)?;
        let kernel = kernel::choose(None)?;
        let mut memory = HugePages::new(bytes)?;
        // Pages that were never written are all one page of zeros.
        memory.fill(1);
        let best = |rates: [f64; 3]| rates.into_iter().fold(0.0, f64::max);
        let read = best([(); 3].map(|()| bandwidth(&mut pool, &[&memory])));
        let peak = kernel.peak();
        let multiplies = peak.map(|peak| best([(); 3].map(|()| rate(&mut pool, peak))));
        Ok(Self {
            threads: pool.threads(),
            read_bytes_per_second: read,
            multiplies_per_second: multiplies,
        })
    }
}

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
    let (threads, weights) = model.pool_and_weights();
    let matrices = weights.read_in_a_step().map(|matrix| matrix.packed_bytes());
    bandwidth(threads, &matrices.collect::<Vec<_>>())
}

/// The same of any bytes.
fn bandwidth(threads: &mut Pool, bytes: &[&[u8]]) -> f64 {
    /// Bytes ahead that are asked for, which is far enough for every CPU that was measured.
    const AHEAD: usize = 2304;
    /// Bytes that are read until others are asked for.
    const AT_ONCE: usize = 256;
    /// Bytes of a cache line.
    const LINE: usize = 64;
    let plain = bytes_per_second(threads, bytes, xor);
    let asked = bytes_per_second(threads, bytes, |piece| {
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

fn bytes_per_second(
    threads: &mut Pool,
    bytes: &[&[u8]],
    read: impl Fn(&[u8]) -> u64 + Sync,
) -> f64 {
    /// Bytes that a thread takes at a time.
    const PIECE: usize = 1 << 20;
    let pieces: Vec<_> = bytes.iter().flat_map(|bytes| bytes.chunks(PIECE)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_measured_without_a_model() {
        let limits = Limits::measure(Some(2), 8 << 20).unwrap();
        assert_eq!(limits.threads, 2);
        assert!(limits.read_bytes_per_second > 0.0);
        assert!(limits.multiplies_per_second.is_none_or(|rate| rate > 0.0));
        let none = Limits::measure(Some(0), 8 << 20).unwrap_err();
        assert!(none.to_string().contains("`threads`"), "{none}");
    }
}
