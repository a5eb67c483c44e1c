mod many;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;

#[test]
fn every_item_is_done_once_whatever_the_number_of_threads() {
    for threads in 1..=4 {
        let mut pool = Pool::new(threads).unwrap();
        for (items, chunk) in [(0, 1), (1, 1), (7, 2), (1000, 3)] {
            let done: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            pool.share(
                items,
                chunk..=4 * chunk,
                &mut PerThread::<usize>::default(),
                |begun| *begun += 1,
                |begun, range, ()| {
                    assert_eq!(*begun, 1);
                    assert!(range.len() <= 4 * chunk);
                    range.for_each(|i| {
                        done[i].fetch_add(1, Ordering::Relaxed);
                    });
                },
            );
            assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}

/// Runs a stage in which every thread waits until all take part.
fn together(pool: &mut Pool, stage: impl Fn(usize) + Sync) {
    let (threads, there) = (pool.threads(), AtomicUsize::new(0));
    pool.run(&|thread| {
        there.fetch_add(1, Ordering::SeqCst);
        while there.load(Ordering::SeqCst) < threads {
            thread::yield_now();
        }
        stage(thread);
    });
}

#[test]
fn a_pool_computes_on_after_a_worker_has_panicked() {
    let mut pool = Pool::new(3).unwrap();
    let panics = AssertUnwindSafe(|| together(&mut pool, |thread| assert_ne!(thread, 1)));
    assert!(catch_unwind(panics).is_err());
    let calls = AtomicUsize::new(0);
    together(&mut pool, |_| {
        calls.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(calls.into_inner(), 3);
}

#[test]
fn sleeping_workers_wake_for_the_next_stage() {
    let mut pool = Pool::new(3).unwrap();
    for _ in 0..3 {
        let calls = AtomicUsize::new(0);
        together(&mut pool, |thread| {
            calls.fetch_add(1 << (8 * thread), Ordering::Relaxed);
        });
        assert_eq!(calls.into_inner(), 0x01_01_01);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn pinned_threads_have_a_cpu_each() {
    let all = affinity::cpus().unwrap();
    let mut pool = pool(Some(all.len().min(3)), true).unwrap();
    let cpus = std::sync::Mutex::new(Vec::new());
    together(&mut pool, |thread| {
        if thread > 0 {
            cpus.lock()
                .unwrap()
                .push((thread, affinity::cpus().unwrap()));
        }
    });
    for (thread, cpus) in cpus.into_inner().unwrap() {
        assert_eq!(cpus, [all[thread]]);
    }
    assert_eq!(
        affinity::cpus().unwrap(),
        all,
        "the caller before it settles"
    );
    let error = super::pool(Some(all.len() + 1), true)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("{} threads", all.len() + 1)),
        "{error}"
    );
}

#[test]
fn a_panic_on_any_thread_reaches_the_caller() {
    for culprit in 0..2 {
        let mut pool = Pool::new(2).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            together(&mut pool, |thread| assert_ne!(thread, culprit));
        }));
        assert!(outcome.is_err());
    }
}

#[test]
fn chunks_of_slices_are_written_once_each_by_their_numbers() {
    for threads in 1..=4 {
        let mut pool = Pool::new(threads).unwrap();
        for (rows, chunk) in [(0, 1), (1, 2), (5, 2), (300, 7)] {
            let (mut wide, mut narrow) = (vec![0; rows * 3], vec![0; rows]);
            let items = (
                [SliceRows::new(&mut wide, 3)],
                SliceRows::new(&mut narrow, 1),
            );
            pool.for_each_chunk_mut(items, chunk, |range, ([wide], narrow)| {
                assert_eq!(wide.len(), 3 * range.len());
                for ((row, wide), narrow) in range.zip(wide.chunks_mut(3)).zip(narrow) {
                    wide.iter_mut().for_each(|number| *number += row);
                    *narrow += row;
                }
            });
            assert!(narrow.into_iter().eq(0..rows));
            assert!(wide.chunks(3).enumerate().all(|(row, of)| of == [row; 3]));
        }
    }
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn slices_that_are_shared_out_together_have_as_many_rows() {
    let (mut three, mut two) = ([0; 3], [0; 2]);
    let items = (SliceRows::new(&mut three, 1), SliceRows::new(&mut two, 1));
    Pool::new(1)
        .unwrap()
        .for_each_chunk_mut(items, 1, |_, _| ());
}

#[test]
#[should_panic(expected = "5 in rows of 2")]
fn a_slice_is_whole_rows() {
    SliceRows::new(&mut [0; 5], 2);
}

#[test]
fn a_thread_keeps_its_scratch_from_stage_to_stage() {
    let mut pool = Pool::new(3).unwrap();
    let mut scratch = PerThread::<Vec<usize>>::default();
    for round in 1..=5 {
        pool.share(
            100,
            1..=1,
            &mut scratch,
            |_| (),
            |seen, range, ()| {
                seen.extend(range);
            },
        );
        let seen = scratch.of_threads(3).iter().flatten();
        let mut seen: Vec<_> = seen.copied().collect();
        seen.sort_unstable();
        let expected = (0..100).flat_map(|item| std::iter::repeat_n(item, round));
        assert!(seen.into_iter().eq(expected));
    }
}

#[test]
fn after_a_panic_slices_and_scratch_are_their_owners_again() {
    for threads in 1..=3 {
        let mut scratch = PerThread::<Vec<usize>>::default();
        let mut numbers = vec![0; 100];
        let mut stage = |culprit: usize| {
            let mut pool = Pool::new(threads).unwrap();
            let rows = SliceRows::new(&mut numbers, 1);
            pool.share(rows, 1..=4, &mut scratch, Vec::clear, |seen, range, of| {
                assert!(!range.contains(&culprit), "the culprit");
                seen.extend(range);
                of.iter_mut().for_each(|number| *number += 1);
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(|| stage(50))).is_err());
        stage(100);
        assert_eq!(numbers[50], 1);
        assert!(numbers.iter().all(|number| (1..=2).contains(number)));
    }
}

#[test]
fn numbers_of_stages_that_come_again_hide_no_item() {
    let mut pool = Pool::new(3).unwrap();
    let every_item = |pool: &mut Pool| {
        let mut done = [0; 10];
        pool.for_each_chunk_mut(SliceRows::new(&mut done, 1), 1, |_, done| done[0] += 1);
        assert_eq!(done, [1; 10]);
    };
    every_item(&mut pool);
    pool.stage = u32::MAX - 1;
    for _ in 0..3 {
        every_item(&mut pool);
    }
    assert_eq!(pool.stage, 2);
}

#[test]
fn a_pool_of_which_a_thread_cannot_be_started_leaves_none_behind() {
    let (started, ended) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let pool = Pool::start(4, None, |builder, work| {
        if started.fetch_add(1, Ordering::SeqCst) == 2 {
            return Err(io::Error::other("no more threads"));
        }
        let ended = Arc::clone(&ended);
        builder.spawn(move || {
            work();
            ended.fetch_add(1, Ordering::SeqCst);
        })
    });
    assert_eq!(pool.unwrap_err().to_string(), "no more threads");
    assert_eq!(ended.load(Ordering::SeqCst), 2);
}
