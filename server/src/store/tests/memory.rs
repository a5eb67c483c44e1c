use super::*;

on_every_database! {
    memory_begins_with_a_question_until_with_a_later_one
    branches_that_part_behind_it_share_where_memory_begins
    a_copy_begins_as_its_model_does_and_one_of_the_last_turn_has_all
}

/// A conversation of so many turns; what was asked in each.
async fn turns(store: &SqlStore, count: usize) -> (Id, Vec<Id>) {
    let first = asked(store, "question 0", "answer 0").await;
    let (id, mut questions) = (first.conversation.id, vec![first.turn.question.id]);
    for n in 1..count {
        let turn = next(store, id, &format!("question {n}")).await.turn;
        let answer = written(turn.answer.id, &format!("answer {n}"));
        store.finish(&answer, &complete(0.1)).await.unwrap();
        questions.push(turn.question.id);
    }
    (id, questions)
}

async fn memory_begins_with_a_question_until_with_a_later_one(Place { store, .. }: &Place) {
    let (id, questions) = turns(store, 4).await;
    assert_eq!(memory(store, id).await, None);
    for begins in [1, 3] {
        store.begin_memory(questions[begins]).await.unwrap();
        assert_eq!(memory(store, id).await, Some(questions[begins]));
    }
    assert_eq!(whole(store, id).await.len(), 4);
    // An answer is none to begin with.
    let answer = whole(store, id).await[3].answer.id;
    store.begin_memory(answer).await.unwrap();
    assert_eq!(memory(store, id).await, Some(questions[3]));
    let hidden = store.hide(ME, questions[3], true).await.unwrap();
    assert_eq!(memory(store, hidden).await, Some(questions[1]));
}

async fn branches_that_part_behind_it_share_where_memory_begins(Place { store, .. }: &Place) {
    let (id, questions) = turns(store, 4).await;
    store.begin_memory(questions[2]).await.unwrap();
    let instead = async |question| {
        let ask = Ask::Instead(question, "other".into());
        store.begin(ME, ask, origin()).await.unwrap();
        memory(store, id).await
    };
    assert_eq!(instead(questions[3]).await, Some(questions[2]));
    assert_eq!(instead(questions[1]).await, None);
}

async fn a_copy_begins_as_its_model_does_and_one_of_the_last_turn_has_all(
    Place { store, .. }: &Place,
) {
    let (id, questions) = turns(store, 4).await;
    for begins in [1, 3] {
        store.begin_memory(questions[begins]).await.unwrap();
    }
    let last = whole(store, id).await[3].answer.id;
    let copy = store.copy(ME, last, Copied::Whole).await.unwrap();
    let copied = whole(store, copy).await;
    assert_eq!(copied.len(), 4);
    assert_eq!(memory(store, copy).await, Some(copied[3].question.id));
    let turn = store.copy(ME, last, Copied::LastTurn).await.unwrap();
    assert_eq!(texts(store, turn).await, ["question 3", "answer 3"]);
    assert_eq!(memory(store, turn).await, None);
    let (begun, _) = store.conversation(turn).await.unwrap().unwrap();
    assert_eq!(begun.title, "question 3");
    let refused = store.copy(OTHER, last, Copied::LastTurn).await;
    assert!(matches!(refused, Err(StoreError::Gone)));
}
