//! More threads than most machines that run the tests have CPUs.

use super::*;
use crate::emulated;

const MANY: [usize; 3] = [4, 8, 16];

/// Short stages, of which each reads everywhere what the threads of the one before have written.
fn stages(pool: &mut Pool, count: usize) {
    const ITEMS: usize = 61;
    let (mut from, mut to) = (vec![0; ITEMS], vec![0; ITEMS]);
    let mut expected = from.clone();
    for stage in 0..count {
        pool.for_each_chunk_mut(SliceRows::new(&mut to, 1), 1, |range, to| {
            for (item, to) in range.zip(to) {
                *to = from[(item * 7 + stage) % ITEMS] + item;
            }
        });
        let turned = (0..ITEMS).map(|item| expected[(item * 7 + stage) % ITEMS] + item);
        expected = turned.collect();
        std::mem::swap(&mut from, &mut to);
        assert_eq!(
            from,
            expected,
            "stage {stage} of {} threads",
            pool.threads()
        );
    }
}

#[test]
fn what_many_threads_write_in_a_short_stage_all_read_in_the_next() {
    let count = match (cfg!(miri), emulated()) {
        (true, _) => 5,
        (_, true) => 300,
        _ => 3000,
    };
    for threads in MANY {
        stages(&mut Pool::new(threads).unwrap(), count);
    }
}

#[test]
fn a_pool_of_many_threads_may_end_at_once_and_after_a_panic() {
    for round in 0..if cfg!(miri) { 2 } else { 30 } {
        for threads in MANY {
            drop(Pool::new(threads).unwrap());
            let mut pool = Pool::new(threads).unwrap();
            stages(&mut pool, round % 3);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.for_each(100, 1, |range| assert!(!range.contains(&50), "the culprit"));
            }));
            assert!(outcome.is_err());
        }
    }
}

#[test]
fn all_of_many_threads_take_part_where_each_is_waited_for() {
    for threads in MANY {
        let mut pool = Pool::new(threads).unwrap();
        for _ in 0..3 {
            let calls = AtomicUsize::new(0);
            together(&mut pool, |thread| {
                calls.fetch_add(1 << thread, Ordering::Relaxed);
            });
            assert_eq!(calls.into_inner(), (1 << threads) - 1);
        }
    }
}

#[test]
fn only_so_many_threads_take_part_as_are_asked_to() {
    let mut pool = Pool::new(5).unwrap();
    for (asked, threads) in [(2, 2), (5, 5), (0, 1), (3, 3), (9, 5)] {
        pool.take_part(asked);
        assert_eq!((pool.threads(), pool.all_threads()), (threads, 5));
        for _ in 0..20 {
            let calls = AtomicUsize::new(0);
            together(&mut pool, |thread| {
                calls.fetch_add(1 << thread, Ordering::Relaxed);
            });
            assert_eq!(calls.into_inner(), (1 << threads) - 1);
            stages(&mut pool, 3);
        }
    }
}

#[test]
fn stages_and_what_is_written_in_them_are_counted() {
    let mut pool = Pool::new(2).unwrap();
    let mut numbers = [0_u32; 10];
    let mut count = |chunk| {
        let before = pool.traffic();
        pool.for_each_chunk_mut(SliceRows::new(&mut numbers, 1), chunk, |_, _| ());
        pool.traffic().since(before)
    };
    let (stages, bytes) = (1, 40);
    assert_eq!(count(4), Traffic { stages, bytes });
    assert_eq!(count(10), Traffic { stages: 0, bytes }, "one chunk");
}

#[test]
fn who_joins_a_stage_is_waited_for_and_nobody_joins_once_it_is_closed() {
    let rounds = if cfg!(miri) { 20 } else { 5000 };
    let seats: Vec<_> = (0..15).map(|_| Seat::default()).collect();
    let (mut joined, mut waited_for) = (0, true);
    thread::scope(|scope| {
        let worker = |seat: &Seat| {
            while let Joined::Stage(stage) = seat.join(50) {
                // SAFETY: the stage lives until its seats are closed.
                unsafe { (*stage)(0) };
                seat.leave();
            }
        };
        let workers = seats.iter().map(|seat| scope.spawn(move || worker(seat)));
        let workers: Vec<_> = workers.map(|worker| worker.thread().clone()).collect();
        for round in 0..rounds {
            let (entered, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let stage: Stage<'_> = &|_| {
                entered.fetch_add(1, Ordering::Relaxed);
                if round % 2 == 0 {
                    thread::yield_now();
                }
                left.fetch_add(1, Ordering::Relaxed);
            };
            seat::open(&seats, &stage, |index| workers[index].unpark());
            (0..round % 4).for_each(|_| thread::yield_now());
            seat::close(&seats, 100);
            let entered = entered.into_inner();
            joined += entered;
            waited_for &= entered == left.into_inner();
        }
        seat::end(&seats, |index| workers[index].unpark());
    });
    assert!(waited_for && joined > 0);
}
