//! A fixed pool of threads for work that lasts microseconds.
//!
//! [`Pool::share`] gives every thread a range of the work, the same one whenever there is as much of it: what a
//! thread wrote in one stage it reads in the next, from its own cache. A thread that is done takes from the others'
//! ranges, chunk by chunk, until nothing is left: one barrier a stage. Workers spin briefly for the next stage, since
//! stages follow each other closely while an answer is computed, then sleep. A worker joins a stage when it comes to
//! it, and the caller waits only for those that joined: on a busy machine, where the system keeps a worker waiting for
//! milliseconds, the others do its share. (A barrier for all threads cost seven eighths of the decode speed beside a
//! browser on two cores.) Nothing is allocated per stage.

mod affinity;
mod disjoint;
mod per_thread;

use std::io;
use std::num::NonZero;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

pub(crate) use self::disjoint::{DisjointItems, DisjointSlices, SliceRows};
pub(crate) use self::per_thread::PerThread;
use crate::Error;

/// How often a worker looks for the next stage before it sleeps: some 50 microseconds.
const SPINS: usize = 10_000;
/// The most threads that can be asked for.
const MAX_THREADS: usize = 1024;

/// A stage: a closure that the threads which join call with their index.
type Stage<'a> = &'a (dyn Fn(usize) + Sync);

/// What a worker does until the pool ends.
type Work = Box<dyn FnOnce() + Send>;

/// The stage is open: workers may join.
const OPEN: usize = 1 << 16;
/// Counts stages, above [`OPEN`] and the number of workers that joined.
const EPOCH: usize = 1 << 17;

#[derive(Debug)]
struct Shared {
    /// Points to the caller's `Stage` while a stage runs.
    stage: AtomicPtr<Stage<'static>>,
    /// Stages so far, whether the current one is open, and the workers that joined it.
    state: AtomicUsize,
    /// Workers that joined the current stage and are done with it.
    finished: AtomicUsize,
    /// Workers that sleep or are about to.
    asleep: AtomicUsize,
    panicked: AtomicBool,
    shutdown: AtomicBool,
    spins: usize,
}

/// How far the work of one thread's range has come, in a cache line (of two, which are fetched together) of its own:
/// as long as no other thread takes from the range, its thread takes the next chunk without waiting for anybody.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Taken {
    /// The stage in the high half, the first item that nobody took in the low. Of another stage it means that nothing
    /// was taken yet.
    next: AtomicU64,
}

impl Taken {
    /// Takes some of what is left of `range`, within `sizes`. The range's own thread leaves an eighth of it for the end,
    /// which goes by halves, as does what other threads take: all are done at almost the same time.
    fn chunk(
        &self,
        stage: u32,
        range: &Range<usize>,
        [smallest, largest]: [usize; 2],
        own: bool,
    ) -> Option<Range<usize>> {
        let (stage, order) = (u64::from(stage) << 32, Ordering::Relaxed);
        let mut state = self.next.load(order);
        loop {
            let start = if state & !LOW == stage {
                (state & LOW) as usize
            } else {
                range.start
            };
            if start >= range.end {
                return None;
            }
            let (left, reserve) = (range.end - start, range.len() / 8);
            let chunk = if own && left > 2 * reserve {
                left - reserve
            } else {
                left.div_ceil(2)
            };
            let chunk = chunk.clamp(smallest, largest);
            let end = start + (chunk / smallest * smallest).min(left);
            match self
                .next
                .compare_exchange_weak(state, stage | end as u64, order, order)
            {
                Ok(_) => return Some(start..end),
                Err(now) => state = now,
            }
        }
    }
}

/// The half of [`Taken`] that counts items.
const LOW: u64 = u32::MAX as u64;

/// Threads that compute together. One caller at a time.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    sleepers: Vec<Thread>,
    /// One for each thread.
    taken: Box<[Taken]>,
    /// Counts the stages of [`Pool::share`], from 1.
    stage: u32,
    /// The caller's CPU, when threads are pinned.
    caller_cpu: Option<usize>,
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
            stage: AtomicPtr::default(),
            state: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            shutdown: AtomicBool::new(false),
            // Spinning with more threads than CPUs takes time from the thread that is waited for.
            spins: if threads <= available() { SPINS } else { 0 },
        });
        // Where a thread cannot be started, the pool is dropped and ends those before it.
        let mut pool = Self {
            shared,
            workers: Vec::with_capacity(threads - 1),
            sleepers: Vec::with_capacity(threads - 1),
            taken: (0..threads).map(|_| Taken::default()).collect(),
            stage: 0,
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
        self.workers.len() + 1
    }

    /// Calls `stage` on the caller's thread, with index 0, and on every worker that comes to it before that returns.
    ///
    /// # Panics
    /// When the stage panicked on any thread.
    fn run(&self, stage: Stage<'_>) {
        if self.workers.is_empty() {
            return stage(0);
        }
        let shared = &*self.shared;
        shared.finished.store(0, Ordering::Relaxed);
        let pointer = std::ptr::from_ref(&stage)
            .cast::<Stage<'static>>()
            .cast_mut();
        shared.stage.store(pointer, Ordering::Relaxed);
        let epoch = shared.state.load(Ordering::Relaxed) / EPOCH + 1;
        // Sequentially consistent, as is the look at `asleep`: either this thread sees a worker that is about to
        // sleep, or that worker sees the new stage.
        shared.state.store((epoch * EPOCH) | OPEN, Ordering::SeqCst);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.sleepers.iter().for_each(Thread::unpark);
        }
        // The workers borrow `stage`: it must outlive them even when this thread's share panics.
        let close = CloseStage(shared);
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
        let scratch = scratch.of_threads(self.threads());
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
        let (stage, taken) = (self.stage, &self.taken);
        let (threads, units) = (taken.len(), count.div_ceil(smallest));
        let start_of = |thread: usize| (units * thread / threads * smallest).min(count);
        let scratch = DisjointSlices::new(scratch);
        self.run(&|thread| {
            let mut own: Option<&mut S> = None;
            for owner in (thread..threads).chain(0..thread) {
                let range = start_of(owner)..start_of(owner + 1);
                let sizes = [smallest, largest];
                while let Some(chunk) = taken[owner].chunk(stage, &range, sizes, owner == thread) {
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
        self.stage = self.stage.wrapping_add(1);
        if self.stage == 0 {
            self.taken.fill_with(Taken::default);
            self.stage = 1;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        self.shared.state.fetch_add(EPOCH, Ordering::SeqCst);
        self.sleepers.iter().for_each(Thread::unpark);
        for worker in self.workers.drain(..) {
            // A worker's panic was reported by `run`.
            let _ = worker.join();
        }
    }
}

/// Ends a stage: nobody may join any more, and those that did are waited for.
struct CloseStage<'a>(&'a Shared);

impl Drop for CloseStage<'_> {
    fn drop(&mut self) {
        let joined = self.0.state.fetch_and(!OPEN, Ordering::AcqRel) % OPEN;
        let mut looks = 0;
        while self.0.finished.load(Ordering::Acquire) < joined {
            looks += 1;
            if looks < self.0.spins {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
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
    let mut seen = 0;
    loop {
        let state = wait_for_stage(shared, seen);
        seen = state / EPOCH;
        if shared.shutdown.load(Ordering::Relaxed) {
            return;
        }
        if join(shared, state) {
            let pointer = shared.stage.load(Ordering::Relaxed);
            // SAFETY: `run` stored a pointer to its live `stage` before it opened the stage that this worker joined,
            // and does not return before every worker that joined has finished.
            let stage = unsafe { *pointer };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage(index)));
            if outcome.is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
            shared.finished.fetch_add(1, Ordering::Release);
        }
    }
}

/// Joins the stage of `state` unless it is closed or over.
fn join(shared: &Shared, mut state: usize) -> bool {
    let epoch = state / EPOCH;
    while state / EPOCH == epoch && state & OPEN != 0 {
        match shared.state.compare_exchange_weak(
            state,
            state + 1,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => return true,
            Err(now) => state = now,
        }
    }
    false
}

/// Spins, then sleeps, until a stage after `seen` has begun; returns the state.
fn wait_for_stage(shared: &Shared, seen: usize) -> usize {
    for _ in 0..shared.spins {
        let state = shared.state.load(Ordering::Acquire);
        if state / EPOCH != seen {
            return state;
        }
        std::hint::spin_loop();
    }
    shared.asleep.fetch_add(1, Ordering::SeqCst);
    let state = loop {
        let state = shared.state.load(Ordering::SeqCst);
        if state / EPOCH != seen {
            break state;
        }
        thread::park();
    };
    shared.asleep.fetch_sub(1, Ordering::SeqCst);
    state
}

#[cfg(test)]
mod tests;
