//! A fixed pool of threads for work that lasts microseconds.
//!
//! [`Pool::run`] hands one closure to every thread, the caller included, and returns when all have finished: one
//! barrier a stage. Workers spin briefly for the next stage, since stages follow each other closely while an answer
//! is computed, then sleep. Nothing is allocated per stage.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// How often a worker looks for the next stage before it sleeps: some 50 microseconds.
const SPINS: usize = 10_000;

/// A stage: a closure that every thread calls with its index.
type Stage<'a> = &'a (dyn Fn(usize) + Sync);

struct Shared {
    /// Points to the caller's `Stage` while a stage runs.
    stage: AtomicPtr<Stage<'static>>,
    /// Counts stages; a worker runs when it has moved on.
    epoch: AtomicUsize,
    /// Workers still busy with the current stage.
    running: AtomicUsize,
    /// Workers that sleep or are about to.
    asleep: AtomicUsize,
    panicked: AtomicBool,
    shutdown: AtomicBool,
    spins: usize,
}

/// Threads that compute together. One caller at a time.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    sleepers: Vec<Thread>,
}

/// Threads that this process may keep busy: the CPUs of its affinity mask, or fewer where a cgroup quota, rounded
/// down, allows fewer.
pub(crate) fn available() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl Pool {
    /// A pool of `threads` threads, the caller's being one of them.
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            stage: AtomicPtr::default(),
            epoch: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            shutdown: AtomicBool::new(false),
            // Spinning with more threads than CPUs takes time from the thread that is waited for.
            spins: if threads <= available() { SPINS } else { 0 },
        });
        let workers = (1..threads)
            .map(|index| {
                let shared = Arc::clone(&shared);
                thread::Builder::new()
                    .name(format!("nibble-{index}"))
                    .spawn(move || work(&shared, index))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let sleepers = workers
            .iter()
            .map(|worker| worker.thread().clone())
            .collect();
        Ok(Self {
            shared,
            workers,
            sleepers,
        })
    }

    /// Threads that take part in a stage.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `stage` once on every thread, with indices from 0 (the caller), and waits for all.
    ///
    /// # Panics
    /// When the stage panicked on any thread.
    pub(crate) fn run(&mut self, stage: Stage<'_>) {
        if self.workers.is_empty() {
            return stage(0);
        }
        let shared = &*self.shared;
        shared.running.store(self.workers.len(), Ordering::Relaxed);
        let pointer = std::ptr::from_ref(&stage)
            .cast::<Stage<'static>>()
            .cast_mut();
        shared.stage.store(pointer, Ordering::Relaxed);
        // Sequentially consistent, as is the look at `asleep`: either this thread sees a worker that is about to
        // sleep, or that worker sees the new epoch.
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.sleepers.iter().for_each(Thread::unpark);
        }
        // The workers borrow `stage`: it must outlive them even when this thread's share panics.
        let wait = WaitForWorkers(shared);
        stage(0);
        drop(wait);
        assert!(
            !shared.panicked.load(Ordering::Relaxed),
            "a worker thread panicked"
        );
    }

    /// Splits `0..items` into chunks of `chunk` and lets the threads take one after the other.
    pub(crate) fn for_each(
        &mut self,
        items: usize,
        chunk: usize,
        task: impl Fn(Range<usize>, usize) + Sync,
    ) {
        if items <= chunk {
            if items > 0 {
                task(0..items, 0);
            }
            return;
        }
        let next = AtomicUsize::new(0);
        self.run(&|thread| {
            loop {
                let start = next.fetch_add(chunk, Ordering::Relaxed);
                if start >= items {
                    break;
                }
                task(start..items.min(start + chunk), thread);
            }
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        self.sleepers.iter().for_each(Thread::unpark);
        for worker in self.workers.drain(..) {
            // A worker's panic was reported by `run`.
            let _ = worker.join();
        }
    }
}

struct WaitForWorkers<'a>(&'a Shared);

impl Drop for WaitForWorkers<'_> {
    fn drop(&mut self) {
        let mut looks = 0;
        while self.0.running.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks < self.0.spins {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        seen = wait_for_stage(shared, seen);
        if shared.shutdown.load(Ordering::Relaxed) {
            return;
        }
        let pointer = shared.stage.load(Ordering::Relaxed);
        // SAFETY: `run` stored a pointer to its live `stage` before it moved the epoch on, and does not return
        // before `running` is zero.
        let stage = unsafe { *pointer };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage(index)));
        if outcome.is_err() {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        shared.running.fetch_sub(1, Ordering::Release);
    }
}

/// Spins, then sleeps, until the epoch differs from `seen`; returns the new one.
fn wait_for_stage(shared: &Shared, seen: usize) -> usize {
    for _ in 0..shared.spins {
        let epoch = shared.epoch.load(Ordering::Acquire);
        if epoch != seen {
            return epoch;
        }
        std::hint::spin_loop();
    }
    shared.asleep.fetch_add(1, Ordering::SeqCst);
    let epoch = loop {
        let epoch = shared.epoch.load(Ordering::SeqCst);
        if epoch != seen {
            break epoch;
        }
        thread::park();
    };
    shared.asleep.fetch_sub(1, Ordering::SeqCst);
    epoch
}

/// A buffer that the threads of one stage write in disjoint parts.
///
/// The borrow checker cannot follow a division that is decided while the stage runs; whoever takes a part vouches
/// for it instead.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    buffer: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is `Parts::part`, whose caller promises that parts taken at the same time are disjoint.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(buffer: &'a mut [T]) -> Self {
        Self {
            start: buffer.as_mut_ptr(),
            len: buffer.len(),
            buffer: std::marker::PhantomData,
        }
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// No other thread may use any element of `range` while the part lives.
    ///
    /// # Panics
    /// When `range` is outside the buffer.
    #[expect(
        clippy::mut_from_ref,
        reason = "handing out disjoint mutable parts is what this type is for"
    )]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        // SAFETY: `range` is inside the buffer, by the assertion.
        let start = unsafe { self.start.add(range.start) };
        // SAFETY: these elements are initialised, borrowed mutably for `'a`, and used by nobody else, by the contract.
        unsafe { std::slice::from_raw_parts_mut(start, range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_item_is_done_once_whatever_the_number_of_threads() {
        for threads in 1..=4 {
            let mut pool = Pool::new(threads).unwrap();
            for (items, chunk) in [(0, 1), (1, 1), (7, 2), (1000, 3)] {
                let done: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                pool.for_each(items, chunk, |range, _| {
                    range.for_each(|i| {
                        done[i].fetch_add(1, Ordering::Relaxed);
                    });
                });
                assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn sleeping_workers_wake_for_the_next_stage() {
        let mut pool = Pool::new(3).unwrap();
        for _ in 0..3 {
            let calls = AtomicUsize::new(0);
            pool.run(&|_| {
                calls.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(calls.into_inner(), 3);
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_panic_on_any_thread_reaches_the_caller() {
        for culprit in 0..2 {
            let mut pool = Pool::new(2).unwrap();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|thread| assert_ne!(thread, culprit));
            }));
            assert!(outcome.is_err());
        }
    }
}
