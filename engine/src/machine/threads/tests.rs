use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::*;

#[test]
fn every_item_is_done_once_whatever_the_number_of_threads() {
    for threads in 1..=4 {
        let mut pool = Pool::new(threads).unwrap();
        for (items, chunk) in [(0, 1), (1, 1), (7, 2), (1000, 3)] {
            let done: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            let begun: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            let begin = |thread: usize| begun[thread].fetch_add(1, Ordering::Relaxed) + 1;
            pool.share(items, chunk..=4 * chunk, begin, |times, range, _| {
                assert_eq!(times, 1);
                assert!(range.len() <= 4 * chunk);
                range.for_each(|i| {
                    done[i].fetch_add(1, Ordering::Relaxed);
                });
            });
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
