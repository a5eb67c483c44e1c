use futures::StreamExt;

use super::*;

async fn all(mut progress: ProgressStream) -> String {
    let mut text = String::new();
    while let Some(step) = progress.next().await {
        text.push_str(&step.text);
    }
    text
}

#[tokio::test]
async fn every_reader_gets_the_whole_text_whenever_it_comes() {
    let run = Run::new(Owner::default());
    let early = tokio::spawn(all(run.follow().unwrap()));
    run.append("one ");
    tokio::task::yield_now().await;
    let middle = tokio::spawn(all(run.follow().unwrap()));
    tokio::task::yield_now().await;
    run.append("two");
    run.end(End::failed("a test"));
    let late = run.follow().unwrap();
    assert_eq!(early.await.unwrap(), "one two");
    assert_eq!(middle.await.unwrap(), "one two");
    assert_eq!(all(late).await, "one two");
}

#[tokio::test]
async fn a_reader_learns_where_the_run_is_at_once() {
    let run = Run::new(Owner::default());
    run.prefill(3, 10);
    let step = run.follow().unwrap().next().await.unwrap();
    assert_eq!(step.phase, Phase::Prefill { done: 3, total: 10 });
}

#[tokio::test]
async fn a_run_that_is_dropped_releases_its_readers() {
    let run = Run::new(Owner::default());
    run.append("half");
    let reader = tokio::spawn(all(run.follow().unwrap()));
    tokio::task::yield_now().await;
    drop(run);
    assert_eq!(reader.await.unwrap(), "half");
}

#[tokio::test]
async fn a_run_has_so_many_readers_and_a_place_for_another_when_one_leaves() {
    let run = Run::new(Owner::default());
    let mut readers: Vec<_> = (0..READERS).map(|_| run.follow().unwrap()).collect();
    assert!(run.follow().is_none());
    readers.pop();
    assert!(run.follow().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_is_left_when_neither_readers_nor_whoever_asked_are_there_for_a_while() {
    let run = Run::new(Owner::default());
    let (here, asker) = Asker::new();
    let left = run.left_waiting(&asker);
    tokio::pin!(left);
    let long = LOOK * 10 * u32::try_from(LOOKS).unwrap();
    // Those who wait for its end read nothing.
    let ended = run.until_ended();
    tokio::pin!(ended);
    assert!(futures::poll!(&mut ended).is_pending());
    assert!(tokio::time::timeout(long, &mut left).await.is_err());
    let reader = run.follow().unwrap();
    drop(here);
    assert!(tokio::time::timeout(long, &mut left).await.is_err());
    drop(reader);
    assert!(tokio::time::timeout(long, &mut left).await.is_ok());
    run.prefill(1, 2);
    let left = run.left_waiting(&asker);
    assert!(tokio::time::timeout(long, left).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn many_readers_are_woken_less_often() {
    let run = Run::new(Owner::default());
    run.append("a");
    let mut readers: Vec<_> = (0..READERS).map(|_| run.follow().unwrap()).collect();
    let began = tokio::time::Instant::now();
    readers[0].next().await.unwrap();
    for _ in 0..10 {
        run.append("b");
        readers[0].next().await.unwrap();
    }
    assert_eq!(began.elapsed(), PACE * 5 * 10);
}
