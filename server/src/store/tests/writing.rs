use super::*;

on_every_database! {
    an_answer_is_written_down_while_it_comes
    an_answer_ends_once
    an_answer_that_was_taken_for_interrupted_can_end_after_all
    every_end_is_read_as_it_was_written
    answers_of_other_processes_that_are_gone_are_interrupted
}

async fn an_answer_is_written_down_while_it_comes(Place { store, .. }: &Place) {
    let (one, other) = (open(store).await, open(store).await);
    store.checkpoint(&[]).await.unwrap();
    let texts = [
        written(one, "be"),
        written(other, "so"),
        written(Id(1), "none"),
    ];
    store.checkpoint(&texts).await.unwrap();
    store.checkpoint(&[written(one, "because")]).await.unwrap();
    let found = answer(store, one).await;
    assert_eq!((&*found.text, found.end), ("because", None));
    assert_eq!(answer(store, other).await.text, "so");
    store
        .finish(&written(one, "because!"), &complete(0.5))
        .await
        .unwrap();
    store.checkpoint(&[written(one, "late")]).await.unwrap();
    let found = answer(store, one).await;
    assert_eq!((&*found.text, found.end), ("because!", Some(complete(0.5))));
}

async fn an_answer_ends_once(Place { store, .. }: &Place) {
    let begun = asked(store, "why?", "because").await;
    let (id, run) = (begun.conversation.id, begun.turn.answer.id);
    store
        .finish(&written(run, "other"), &complete(9.0))
        .await
        .unwrap();
    assert_eq!(answer(store, run).await.text, "because");
    let (conversation, _) = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(conversation.usd, 0.25);
    store
        .finish(&written(Id(1), "of nothing"), &complete(9.0))
        .await
        .unwrap();
}

async fn an_answer_that_was_taken_for_interrupted_can_end_after_all(Place { store, .. }: &Place) {
    let run = open(store).await;
    store.checkpoint(&[written(run, "becaus")]).await.unwrap();
    store
        .execute("UPDATE messages SET state = 'interrupted' WHERE role = 'answer'")
        .await;
    store
        .checkpoint(&[written(run, "because o")])
        .await
        .unwrap();
    assert_eq!(answer(store, run).await.text, "becaus");
    store
        .finish(&written(run, "because of dust"), &complete(0.5))
        .await
        .unwrap();
    let found = answer(store, run).await;
    assert_eq!(
        (&*found.text, found.end),
        ("because of dust", Some(complete(0.5)))
    );
    let search = |words: &str| nibble_app::chat::ListQuery {
        search: words.to_owned(),
        from: 0,
    };
    let found = store.list(ME, &search("dust"), 9).await.unwrap();
    assert_eq!(found.conversations.len(), 1);
    // What is found must be what is there, or it could not be forgotten.
    store.delete_all(ME, now()).await.unwrap();
    assert_eq!(store.purge(now() + 1).await.unwrap(), 1);
    assert!(store.answer(run).await.unwrap().is_none());
}

async fn every_end_is_read_as_it_was_written(Place { store, .. }: &Place) {
    for reason in [
        EndReason::Complete,
        EndReason::MaxTokens,
        EndReason::Context,
        EndReason::Stopped,
        EndReason::CutOff,
        EndReason::Interrupted,
        EndReason::Failed("for this reason".to_owned()),
    ] {
        let (run, end) = (
            open(store).await,
            End {
                reason,
                metrics: None,
            },
        );
        store.finish(&written(run, "text"), &end).await.unwrap();
        assert_eq!(answer(store, run).await.end, Some(end));
    }
}

async fn answers_of_other_processes_that_are_gone_are_interrupted(Place { store, .. }: &Place) {
    let (mine, theirs) = (open(store).await, open(store).await);
    store.checkpoint(&[written(theirs, "half")]).await.unwrap();
    let another = format!("UPDATE messages SET writer = 'another' WHERE id = '{theirs}'");
    store.execute(&another).await;
    assert_eq!(store.interrupt_open().await.unwrap(), 1);
    assert_eq!(answer(store, mine).await.end, None);
    let found = answer(store, theirs).await;
    let reason = found.end.map(|end| end.reason);
    assert_eq!(
        (&*found.text, reason),
        ("half", Some(EndReason::Interrupted))
    );
    assert_eq!(store.interrupt_open().await.unwrap(), 0);
}
