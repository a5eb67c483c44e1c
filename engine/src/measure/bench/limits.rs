//! What the machine can do at best.
//!
//! A limit is measured in turn with parts of what it limits, since machines that are shared change from second to second:
//! on one of two chips the read bandwidth of two cores was 35 or 60 GB/s, as they lay on one chip or on both.

use std::time::{Duration, Instant};

use super::Spread;
use crate::Error;
use crate::compute::kernel::{self, prefetch};
use crate::machine::memory::HugePages;
use crate::machine::threads::{Pool, pool};
use crate::model::forward::Model;

/// Bytes that a thread takes at a time.
const PIECE: usize = 1 << 20;

/// How often each limit is measured at most.
const TIMES: usize = 3;

/// What is spent on a limit, after which it is not measured once more.
const BUDGET: Duration = Duration::from_millis(500);

/// Asked every few milliseconds whether something still goes on.
type GoesOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// What the machine can do at best, by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Threads that did it.
    pub threads: usize,
    /// Bytes a second that they read from memory.
    pub read_bytes_per_second: f64,
    /// Multiply-accumulates a second on registers alone, where the kernel has a loop for that.
    pub multiplies_per_second: Option<f64>,
    /// How long it took to measure all of this.
    pub took: Duration,
}

impl Limits {
    /// Measures them with the fastest kernel, the best of three times, or of fewer where they take long: half a second for each
    /// limit and what was begun by then. It reads so many bytes, which are to be more than every cache holds. Once `goes_on`
    /// says no, it ends within milliseconds, and what it returns says nothing.
    ///
    /// # Errors
    /// [`Error::Option`] for threads that cannot be had, [`Error::NoThread`], [`Error::NoMemory`].
    pub fn measure(
        threads: Option<usize>,
        bytes: usize,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, Error> {
        let began = Instant::now();
        let mut pool = pool(threads, false)?;
        let kernel = kernel::choose(None)?;
        let mut memory = HugePages::new(bytes)?;
        // Pages that were never written are all one page of zeros.
        for piece in memory.chunks_mut(PIECE).take_while(|_| goes_on()) {
            piece.fill(1);
        }
        let reading = Instant::now();
        let read = best(
            || reading.elapsed(),
            || bandwidth(&mut pool, &[&memory], goes_on),
        );
        let multiplying = Instant::now();
        let multiplies = kernel
            .peak()
            .map(|peak| best(|| multiplying.elapsed(), || rate(&mut pool, peak, goes_on)));
        Ok(Self {
            threads: pool.threads(),
            read_bytes_per_second: read,
            multiplies_per_second: multiplies,
            took: began.elapsed(),
        })
    }
}

/// The best of some times, the first of which is measured in any case, and another until the budget is spent.
fn best(spent: impl Fn() -> Duration, mut rate: impl FnMut() -> f64) -> f64 {
    let mut best = rate();
    for _ in 1..TIMES {
        if spent() >= BUDGET {
            break;
        }
        best = best.max(rate());
    }
    best
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
    bandwidth(threads, &matrices.collect::<Vec<_>>(), &|| true)
}

/// The same of any bytes.
fn bandwidth(threads: &mut Pool, bytes: &[&[u8]], goes_on: GoesOn<'_>) -> f64 {
    /// Bytes ahead that are asked for, which is far enough for every CPU that was measured.
    const AHEAD: usize = 2304;
    /// Bytes that are read until others are asked for.
    const AT_ONCE: usize = 256;
    /// Bytes of a cache line.
    const LINE: usize = 64;
    let plain = bytes_per_second(threads, bytes, goes_on, xor);
    let asked = bytes_per_second(threads, bytes, goes_on, |piece| {
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
    goes_on: GoesOn<'_>,
    read: impl Fn(&[u8]) -> u64 + Sync,
) -> f64 {
    let pieces: Vec<_> = bytes.iter().flat_map(|bytes| bytes.chunks(PIECE)).collect();
    let started = Instant::now();
    threads.for_each(pieces.len(), 1, |range| {
        for piece in pieces[range].iter().take_while(|_| goes_on()) {
            std::hint::black_box(read(piece));
        }
    });
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    bytes as f64 / started.elapsed().as_secs_f64()
}

/// Multiply-accumulates a second of all threads on registers alone, where the kernel has a loop for it.
pub(super) fn multiply_rate(model: &mut Model) -> Option<f64> {
    let peak = model.kernel().peak()?;
    Some(rate(model.pool_and_weights().0, peak, &|| true))
}

fn rate(threads: &mut Pool, peak: fn(usize) -> u64, goes_on: GoesOn<'_>) -> f64 {
    const ITERATIONS: usize = 10_000_000;
    /// Iterations that take some milliseconds.
    const AT_ONCE: usize = 500_000;
    let started = Instant::now();
    threads.for_each(threads.threads(), 1, |_| {
        for _ in (0..ITERATIONS / AT_ONCE).take_while(|_| goes_on()) {
            std::hint::black_box(peak(AT_ONCE));
        }
    });
    let products = peak(1) * ITERATIONS as u64 * threads.threads() as u64;
    products as f64 / started.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn limits_are_measured_without_a_model() {
        let limits = Limits::measure(Some(2), 8 << 20, &|| true).unwrap();
        assert_eq!(limits.threads, 2);
        assert!(limits.read_bytes_per_second > 0.0);
        assert!(limits.multiplies_per_second.is_none_or(|rate| rate > 0.0));
        assert!(limits.took > Duration::ZERO);
        let none = Limits::measure(Some(0), 8 << 20, &|| true).unwrap_err();
        assert!(none.to_string().contains("`threads`"), "{none}");
    }

    #[test]
    fn a_limit_is_measured_three_times_or_as_often_as_its_budget_allows() {
        for (each, times) in [(100, 3), (249, 3), (250, 2), (499, 2), (500, 1), (9000, 1)] {
            let (spent, rates) = (Cell::new(Duration::ZERO), Cell::new(0));
            let found = best(
                || spent.get(),
                || {
                    spent.set(spent.get() + Duration::from_millis(each));
                    rates.set(rates.get() + 1);
                    f64::from(rates.get())
                },
            );
            assert_eq!((rates.get(), found), (times, f64::from(times)), "{each} ms");
        }
    }

    #[test]
    fn what_is_not_to_go_on_reads_no_more() {
        let mut pool = pool(Some(2), false).unwrap();
        let bytes = vec![1u8; 8 * PIECE];
        let (asked, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let goes_on = || asked.fetch_add(1, Ordering::Relaxed) < 3;
        bytes_per_second(&mut pool, &[&bytes], &goes_on, |_| {
            read.fetch_add(1, Ordering::Relaxed) as u64
        });
        assert_eq!(read.into_inner(), 3);
    }
}
