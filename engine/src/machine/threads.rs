//! A fixed pool of threads for work that lasts microseconds.
//!
//! [`Pool::share`] gives every thread a range of the work, the same one whenever there is as much of it: what a
//! thread wrote in one stage it reads in the next, from its own cache. A thread that is done takes from the others'
//! ranges, chunk by chunk, until nothing is left: one barrier a stage. Workers spin briefly for the next stage, since
//! stages follow each other closely while an answer is computed, then sleep. A worker joins a stage when it comes to
//! it, and the caller waits only for those that joined: on a busy machine, where the system keeps a worker waiting for
//! milliseconds, the others do its share. (A barrier for all threads cost seven eighths of the decode speed beside a
//! browser on two cores.) Nothing is allocated per stage. What a barrier costs by the number of threads is in
//! `engine/benches/THREADS.md`.

mod affinity;
mod disjoint;
mod per_thread;
mod ranges;
mod seat;

use std::io;
use std::num::NonZero;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};

pub(crate) use self::disjoint::{DisjointItems, DisjointSlices, SliceRows};
pub(crate) use self::per_thread::PerThread;
use self::ranges::Taken;
use self::seat::{Joined, Seat, Stage};
use crate::Error;

/// How often a worker looks for the next stage before it sleeps: some 50 microseconds.
const SPINS: usize = 10_000;
/// The most threads that can be asked for.
const MAX_THREADS: usize = 1024;

/// What a worker does until the pool ends.
type Work = Box<dyn FnOnce() + Send>;

/// A value in a cache line of its own; of two, which are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug)]
struct Shared {
    /// Of each worker.
    seats: Box<[Seat]>,
    panicked: AtomicBool,
    spins: usize,
}

/// Threads that compute together. One caller at a time.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    sleepers: Vec<Thread>,
    /// Threads that take part in the next stages: the first so many.
    threads: usize,
    /// One for each thread.
    taken: Box<[Line<Taken>]>,
    /// The number of the last stage of [`Pool::share`], from 1.
    stage: u32,
    /// What there was so far.
    traffic: Traffic,
    /// The caller's CPU, when threads are pinned.
    caller_cpu: Option<usize>,
}

/// What the stages of a pool came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Barriers: what is too little for two threads has none.
    pub(crate) stages: u64,
    /// Bytes that were written in them, or had room to be, which other threads may read in the next.
    pub(crate) bytes: u64,
}

impl Traffic {
    /// What has come since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            stages: self.stages - before.stages,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// Threads that this process may keep busy: the CPUs of its affinity mask, or fewer where a cgroup quota, rounded
/// down, allows fewer.
pub(crate) fn available() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// The threads that were asked for. Where they are pinned, each has a CPU of its own; the caller's own thread goes to its
/// CPU by [`Pool::pin_caller`].
///
/// # Errors
/// [`Error::Option`] for too few or too many, and where there are fewer CPUs or the system does not pin threads;
/// [`Error::NoThread`].
pub(crate) fn pool(threads: Option<usize>, pin: bool) -> Result<Pool, Error> {
    let threads = threads.unwrap_or_else(available);
    if !(1..=MAX_THREADS).contains(&threads) {
        return Err(Error::Option(format!(
            "`threads` must be from 1 to {MAX_THREADS}, found {threads}"
        )));
    }
    let cpus = match pin {
        true => Some(cpus_for(threads)),
        false => None,
    };
    let cpus = cpus
        .transpose()
        .map_err(|reason| Error::Option(format!("cannot pin threads: {reason}")))?;
    Pool::with_cpus(threads, cpus.as_deref()).map_err(Error::NoThread)
}

/// A CPU for each of so many threads.
fn cpus_for(threads: usize) -> io::Result<Vec<usize>> {
    let cpus = affinity::cpus()?;
    if cpus.len() < threads {
        let found = cpus.len();
        return Err(io::Error::other(format!(
            "there are {found} CPUs for {threads} threads"
        )));
    }
    Ok(cpus)
}

impl Pool {
    /// A pool of `threads` threads, the caller's being one of them.
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        Self::with_cpus(threads, None)
    }

    fn with_cpus(threads: usize, cpus: Option<&[usize]>) -> io::Result<Self> {
        Self::start(threads, cpus, thread::Builder::spawn)
    }

    /// A pool whose workers `spawn` starts.
    fn start(
        threads: usize,
        cpus: Option<&[usize]>,
        spawn: impl Fn(thread::Builder, Work) -> io::Result<JoinHandle<()>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            seats: (1..threads).map(|_| Seat::default()).collect(),
            panicked: AtomicBool::new(false),
            // Spinning with more threads than CPUs takes time from the thread that is waited for.
            spins: if threads <= available() { SPINS } else { 0 },
        });
        // Where a thread cannot be started, the pool is dropped and ends those before it.
        let mut pool = Self {
            shared,
            workers: Vec::with_capacity(threads - 1),
            sleepers: Vec::with_capacity(threads - 1),
            threads,
            taken: (0..threads).map(|_| Line::default()).collect(),
            stage: 0,
            traffic: Traffic::default(),
            caller_cpu: cpus.map(|cpus| cpus[0]),
        };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let cpu = cpus.map(|cpus| cpus[index]);
            let builder = thread::Builder::new().name(format!("nibble-{index}"));
            let worker = spawn(
                builder,
                Box::new(move || {
                    stay_on(cpu);
                    work(&shared, index);
                }),
            )?;
            pool.sleepers.push(worker.thread().clone());
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Pins the calling thread, which runs all stages from now on, where the pool's threads are pinned.
    pub(crate) fn pin_caller(&self) {
        stay_on(self.caller_cpu);
    }

    /// Threads that take part in a stage.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Threads that there are.
    pub(crate) fn all_threads(&self) -> usize {
        self.taken.len()
    }

    /// Lets the first so many threads take part in the next stages, at least one and at most all.
    pub(crate) fn take_part(&mut self, threads: usize) {
        self.threads = threads.clamp(1, self.all_threads());
    }

    /// The stages so far and what was written in them.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Calls `stage` on the caller's thread, with index 0, and on every worker that comes to it before that returns.
    ///
    /// # Panics
    /// When the stage panicked on any thread.
    fn run(&self, stage: Stage<'_>) {
        let shared = &*self.shared;
        let seats = &shared.seats[..self.threads - 1];
        if seats.is_empty() {
            return stage(0);
        }
        // No worker is in a stage: what panicked was an earlier one, whose caller was told.
        shared.panicked.store(false, Ordering::Relaxed);
        seat::open(seats, &stage, |index| self.sleepers[index].unpark());
        // The workers borrow `stage`: it must outlive them even when this thread's share panics.
        let close = CloseSeats(seats, shared.spins);
        stage(0);
        drop(close);
        assert!(
            !shared.panicked.load(Ordering::Relaxed),
            "a worker thread panicked"
        );
    }

    /// Shares `0..items` out in chunks of `chunk`.
    pub(crate) fn for_each(
        &mut self,
        items: usize,
        chunk: usize,
        task: impl Fn(Range<usize>) + Sync,
    ) {
        self.for_each_chunk_mut(items, chunk, |range, ()| task(range));
    }

    /// Shares items out in chunks of `chunk`: a task gets their numbers, and what is theirs to write.
    pub(crate) fn for_each_chunk_mut<I: DisjointItems>(
        &mut self,
        items: I,
        chunk: usize,
        task: impl Fn(Range<usize>, I::Chunk) + Sync,
    ) {
        let scratch = &mut PerThread::<()>::default();
        self.share(
            items,
            chunk..=chunk,
            scratch,
            |()| (),
            |(), range, chunk| task(range, chunk),
        );
    }

    /// Shares items out in chunks of these sizes, ever smaller, so that all threads end together; but for the last they
    /// begin at multiples of the smallest size. Every thread has scratch of its own, which it hands to `begin` before it
    /// takes its first chunk, and then to all of its tasks.
    ///
    /// # Panics
    /// When a task does, and when there are more items than a `u32` counts.
    pub(crate) fn share<I: DisjointItems, S: Default + Send>(
        &mut self,
        items: I,
        sizes: RangeInclusive<usize>,
        scratch: &mut PerThread<S>,
        begin: impl Fn(&mut S) + Sync,
        task: impl Fn(&mut S, Range<usize>, I::Chunk) + Sync,
    ) {
        let count = items.count();
        let (smallest, largest) = sizes.into_inner();
        let scratch = scratch.of_threads(self.threads);
        self.traffic.bytes += items.bytes() as u64;
        if count <= smallest {
            if count > 0 {
                begin(&mut scratch[0]);
                // SAFETY: this is the only chunk.
                let chunk = unsafe { items.chunk(0..count) };
                task(&mut scratch[0], 0..count, chunk);
            }
            return;
        }
        assert!(u32::try_from(count).is_ok(), "{count} items in one stage");
        self.next_stage();
        let (stage, taken) = (self.stage, &self.taken[..self.threads]);
        let (threads, units) = (taken.len(), count.div_ceil(smallest));
        let start_of = |thread: usize| (units * thread / threads * smallest).min(count);
        let scratch = DisjointSlices::new(scratch);
        self.run(&|thread| {
            let mut own: Option<&mut S> = None;
            for owner in (thread..threads).chain(0..thread) {
                let range = start_of(owner)..start_of(owner + 1);
                let sizes = [smallest, largest];
                while let Some(chunk) = taken[owner].0.chunk(stage, &range, sizes, owner == thread)
                {
                    let own = own.get_or_insert_with(|| {
                        // SAFETY: in a stage one thread alone has this number, and it comes here once.
                        let own = unsafe { scratch.element(thread) };
                        begin(own);
                        own
                    });
                    // SAFETY: ranges of threads are disjoint, and so are the chunks that are taken of each.
                    let of_chunk = unsafe { items.chunk(chunk.clone()) };
                    task(own, chunk, of_chunk);
                }
            }
        });
    }

    /// Counts a stage. Before numbers come again, what was taken under them is forgotten.
    fn next_stage(&mut self) {
        self.traffic.stages += 1;
        self.stage = self.stage.wrapping_add(1);
        if self.stage == 0 {
            self.taken.fill_with(Line::default);
            self.stage = 1;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Where a thread could not be started, its seat and those behind it have nobody to wake.
        let wake = |index: usize| self.sleepers[index].unpark();
        seat::end(&self.shared.seats[..self.sleepers.len()], wake);
        for worker in self.workers.drain(..) {
            // A worker's panic was reported by `run`.
            let _ = worker.join();
        }
    }
}

/// Ends a stage: nobody may join any more, and those that did are waited for.
struct CloseSeats<'a>(&'a [Seat], usize);

impl Drop for CloseSeats<'_> {
    fn drop(&mut self) {
        seat::close(self.0, self.1);
    }
}

/// Pins this thread, if it has a CPU of its own.
fn stay_on(cpu: Option<usize>) {
    if let Some(cpu) = cpu {
        // The CPU was in the affinity mask a moment ago; a refusal only costs speed.
        let _ = affinity::pin(cpu);
    }
}

fn work(shared: &Shared, index: usize) {
    let seat = &shared.seats[index - 1];
    while let Joined::Stage(stage) = seat.join(shared.spins) {
        // SAFETY: the caller of the stage that this worker joined keeps it alive until the worker leaves.
        let stage = unsafe { *stage };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage(index)));
        if outcome.is_err() {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        seat.leave();
    }
}

#[cfg(test)]
mod tests;
