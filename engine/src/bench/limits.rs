//! What the machine can do at best.

use std::time::{Duration, Instant};

use crate::Error;
use crate::kernel::Kernel;
use crate::memory::HugePages;
use crate::threads::Pool;

/// Measured with the threads that compute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes a second.
    pub(super) read_bandwidth: f64,
    /// Multiply-accumulates a second, where the kernel has a loop for it.
    pub(super) multiply_rate: Option<f64>,
}

impl Limits {
    pub(super) fn measure(threads: &mut Pool, kernel: &Kernel) -> Result<Self, Error> {
        let peak = kernel.peak();
        Ok(Self {
            read_bandwidth: read_bandwidth(threads)?,
            multiply_rate: peak.map(|peak| multiply_rate(threads, peak)),
        })
    }

    /// Of each the higher: whatever else the machine does can only lower them.
    pub(super) fn or_better(self, other: Self) -> Self {
        Self {
            read_bandwidth: self.read_bandwidth.max(other.read_bandwidth),
            multiply_rate: self
                .multiply_rate
                .zip(other.multiply_rate)
                .map(|(one, other)| one.max(other)),
        }
    }
}

/// Bytes a second that the threads read together: the best of some passes over 512 MiB, in huge pages as the weights.
fn read_bandwidth(threads: &mut Pool) -> Result<f64, Error> {
    const BYTES: usize = 512 << 20;
    const PASSES: usize = 5;
    let mut buffer = HugePages::new(BYTES)?;
    buffer.fill(1);
    let words: &[u64] = bytemuck::cast_slice(&buffer);
    let best = (0..PASSES).map(|_| {
        let started = Instant::now();
        threads.for_each(words.len(), 1 << 17, |range, _| {
            std::hint::black_box(words[range].iter().fold(0u64, |sum, word| sum ^ word));
        });
        started.elapsed()
    });
    Ok(BYTES as f64 / best.min().unwrap_or_default().as_secs_f64())
}

/// Multiply-accumulates a second of all threads, on registers alone.
fn multiply_rate(threads: &mut Pool, peak: fn(usize) -> u64) -> f64 {
    const ITERATIONS: usize = 10_000_000;
    const PASSES: usize = 3;
    let best = (0..PASSES).map(|_| {
        let started = Instant::now();
        threads.for_each(threads.threads(), 1, |_, _| {
            std::hint::black_box(peak(ITERATIONS));
        });
        started.elapsed()
    });
    let best: Duration = best.min().unwrap_or_default();
    (peak(1) * ITERATIONS as u64 * threads.threads() as u64) as f64 / best.as_secs_f64()
}
