use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn only_a_few_prompts_are_in_work_at_once() {
    let preparation = Preparation::default();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..5 * AT_ONCE).map(|_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        preparation.run(Caller::default(), move || {
            let working = now.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(working, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
        })
    });
    let done = join_all(jobs).await;
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
}

#[tokio::test]
async fn work_that_panics_ends_alone_and_gives_its_place_back() {
    let preparation = Preparation::default();
    for _ in 0..2 * AT_ONCE {
        let ended = preparation.run(Caller::default(), || panic!("a bug")).await;
        assert!(matches!(ended, Err::<(), _>(Error::Broken)));
    }
    assert_eq!(preparation.run(Caller::default(), || 1).await.unwrap(), 1);
}

#[tokio::test]
async fn whoever_comes_when_too_many_wait_is_refused_and_those_who_wait_are_served() {
    let preparation = Preparation::default();
    let (open, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let blocked = || {
        let gate: Arc<Mutex<Receiver<()>>> = Arc::clone(&gate);
        preparation.run(Caller::default(), move || {
            let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        })
    };
    let taken = join_all((0..AT_ONCE + WAITING).map(|_| blocked()));
    let refused = async {
        tokio::task::yield_now().await;
        let refused = blocked().await;
        drop(open);
        refused
    };
    let (taken, refused) = tokio::join!(taken, refused);
    assert!(matches!(refused, Err(Error::Busy { waiting, limit, .. }) if waiting == limit));
    assert!(taken.iter().all(Result::is_ok));
}
