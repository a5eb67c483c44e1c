use super::*;

async fn reason(store: &SqlStore, id: Id) -> Option<EndReason> {
    answer(store, id).await.end.map(|end| end.reason)
}

#[tokio::test]
async fn a_process_is_taken_to_live_until_it_was_silent_for_a_while() {
    let Some(one) = Place::on_postgres().await else {
        return;
    };
    let run = open(&one.store).await;
    let other = Place::open(one.database.clone()).await;
    let silent = "UPDATE writers SET seen = seen - 14000";
    one.store.execute(silent).await;
    assert_eq!(other.store.interrupt_open().await.unwrap(), 0);
    assert_eq!(reason(&other.store, run).await, None);
    one.store.execute(silent).await;
    assert_eq!(other.store.interrupt_open().await.unwrap(), 1);
    let interrupted = Some(EndReason::Interrupted);
    assert_eq!(reason(&other.store, run).await, interrupted);
    // It was only slow.
    one.store.interrupt_open().await.unwrap();
    let end = one
        .store
        .finish(&written(run, "because"), &complete(0.5))
        .await;
    end.unwrap();
    let complete = Some(EndReason::Complete);
    assert_eq!(reason(&other.store, run).await, complete);
}

#[tokio::test]
async fn a_process_that_ends_in_peace_is_not_waited_for() {
    let Some(one) = Place::on_postgres().await else {
        return;
    };
    let run = open(&one.store).await;
    one.store.close().await.unwrap();
    let other = Place::open(one.database.clone()).await;
    let interrupted = Some(EndReason::Interrupted);
    assert_eq!(reason(&other.store, run).await, interrupted);
}

#[tokio::test]
async fn questions_of_two_processes_follow_each_other() {
    let Some(one) = Place::on_postgres().await else {
        return;
    };
    let other = Place::open(one.database.clone()).await;
    let id = asked(&one.store, "first", "1").await.conversation.id;
    for _ in 0..10 {
        tokio::join!(next(&one.store, id, "one"), next(&other.store, id, "other"));
    }
    assert_eq!(whole(&one.store, id).await.len(), 21);
}

#[tokio::test]
async fn processes_may_open_an_empty_postgres_at_the_same_time() {
    let Some(url) = postgres::database() else {
        return;
    };
    let database = Database::Postgres(url);
    let opened = (0..4).map(|_| SqlStore::open(&database));
    for opened in futures::future::join_all(opened).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn what_is_to_end_is_told_to_the_process_that_writes_it() {
    let Some(one) = Place::on_postgres().await else {
        return;
    };
    let other = Place::open(one.database.clone()).await;
    let run = open(&one.store).await;
    assert!(one.store.stopping().await.unwrap().is_empty());
    other.store.stop(run).await.unwrap();
    assert_eq!(one.store.stopping().await.unwrap(), [run]);
    assert!(other.store.stopping().await.unwrap().is_empty());
    let stopped = End {
        reason: EndReason::Stopped,
        metrics: None,
    };
    let end = one.store.finish(&written(run, "be"), &stopped).await;
    end.unwrap();
    assert!(one.store.stopping().await.unwrap().is_empty());
    // Whoever has it go on wants that no more.
    one.store.reopen(ME, run).await.unwrap();
    assert!(one.store.stopping().await.unwrap().is_empty());
}
