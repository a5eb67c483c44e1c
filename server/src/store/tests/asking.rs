use super::*;

on_every_database! {
    what_is_written_is_read_again
    a_conversation_is_read_in_parts
    a_question_waits_for_the_answer_before_it
    branches_stand_beside_each_other
    a_question_that_is_taken_back_was_never_asked
    a_branch_that_is_taken_back_shows_the_other_again
    what_is_hidden_stays_so_when_a_question_is_taken_back
    another_answer_that_is_taken_back_leaves_the_first_with_what_follows_it
    those_who_wait_for_what_is_taken_back_go_on_before_it
    only_so_many_messages_fit_a_conversation
    texts_may_hold_anything
}

async fn what_is_written_is_read_again(Place { store, .. }: &Place) {
    let begun = asked(store, "why is the sky blue?", "It scatters.").await;
    let found = store.conversation(begun.conversation.id).await.unwrap();
    let (conversation, owner) = found.unwrap();
    assert_eq!(owner, ME);
    assert_eq!(conversation.title, "why is the sky blue?");
    assert_eq!(conversation.settings, origin().settings);
    assert_eq!(conversation.usd, 0.25);
    let turns = whole(store, conversation.id).await;
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0].question.text, "why is the sky blue?");
    assert_eq!(turns[0].answer.text, "It scatters.");
    assert_eq!(turns[0].answer.end, Some(complete(0.25)));
    assert_eq!(turns[0].answer.origin, origin());
    assert_eq!(turns[0].answer.siblings, [begun.turn.answer.id]);
}

async fn a_conversation_is_read_in_parts(Place { store, .. }: &Place) {
    let id = asked(store, "0", "a").await.conversation.id;
    for question in 1..5 {
        let begun = next(store, id, &question.to_string()).await;
        let answer = begun.turn.answer.id;
        store
            .finish(&written(answer, "a"), &complete(0.0))
            .await
            .unwrap();
    }
    let turns = whole(store, id).await;
    let tip = turns.last().map(|turn| turn.answer.id);
    let [third, other] = [turns[2].question.id, Id(7)];
    for (part, questions, earlier, later) in [
        (Part::Whole, "01234", false, false),
        (Part::Last(2), "34", true, false),
        (Part::Last(9), "01234", false, false),
        (Part::Before(third, 1), "1", true, true),
        (Part::Before(third, 9), "01", false, true),
        (Part::Before(other, 9), "01234", false, false),
    ] {
        let window = store.window(id, tip, part).await.unwrap();
        let found: String = window
            .turns
            .iter()
            .map(|turn| &*turn.question.text)
            .collect();
        assert_eq!(
            (&*found, window.earlier, window.later),
            (questions, earlier, later),
            "{part:?}"
        );
    }
    for tip in [None, Some(other)] {
        let window = store.window(id, tip, Part::Whole).await.unwrap();
        assert!(window.turns.is_empty());
    }
    assert_eq!(store.tree(id).await.unwrap().len(), 10);
}

async fn a_question_waits_for_the_answer_before_it(Place { store, .. }: &Place) {
    let ask = Ask::First("one".into());
    let first = store.begin(ME, ask, origin()).await.unwrap();
    assert_eq!(first.after, None);
    let id = first.conversation.id;
    let second = next(store, id, "two").await;
    assert_eq!(second.after, Some(first.turn.answer.id));
    let third = next(store, id, "three").await;
    assert_eq!(third.after, Some(second.turn.answer.id));
    for begun in [&first, &second, &third] {
        let answer = begun.turn.answer.id;
        store
            .finish(&written(answer, "done"), &complete(0.5))
            .await
            .unwrap();
    }
    assert_eq!(next(store, id, "four").await.after, None);
    let all = ["one", "done", "two", "done", "three", "done", "four", ""];
    assert_eq!(texts(store, id).await, all);
}

async fn branches_stand_beside_each_other(Place { store, .. }: &Place) {
    let first = asked(store, "one", "1").await;
    let (id, Turn { question, answer }) = (first.conversation.id, first.turn);
    let again = store
        .begin(ME, Ask::Again(answer.id), origin())
        .await
        .unwrap();
    assert_eq!(again.turn.question.id, question.id);
    let ask = Ask::Instead(question.id, "uno".into());
    let instead = store.begin(ME, ask, origin()).await.unwrap();
    assert_eq!(texts(store, id).await, ["uno", ""]);
    let turns = whole(store, id).await;
    assert_eq!(
        turns[0].question.siblings,
        [question.id, instead.turn.question.id]
    );
    assert!(store.change(ME, id, Change::Show(answer.id)).await.unwrap());
    let turns = whole(store, id).await;
    assert_eq!(turns[0].answer.siblings, [answer.id, again.turn.answer.id]);
    assert_eq!(turns[0].answer.text, "1");
    for gone in [
        Ask::Again(Id(1)),
        Ask::Instead(answer.id, Content::default()),
        Ask::Again(question.id),
    ] {
        let refused = store.begin(ME, gone, origin()).await;
        assert!(matches!(refused, Err(StoreError::Gone)));
    }
}

async fn a_question_that_is_taken_back_was_never_asked(Place { store, .. }: &Place) {
    let ask = Ask::First("one".into());
    let only = store.begin(ME, ask, origin()).await.unwrap();
    store.withdraw(only.turn.answer.id).await.unwrap();
    assert!(
        store
            .conversation(only.conversation.id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.answer(only.turn.answer.id).await.unwrap().is_none());
    store.withdraw(only.turn.answer.id).await.unwrap();
    let first = asked(store, "one", "1").await;
    let second = next(store, first.conversation.id, "two").await;
    store.withdraw(second.turn.answer.id).await.unwrap();
    assert_eq!(texts(store, first.conversation.id).await, ["one", "1"]);
}

async fn a_branch_that_is_taken_back_shows_the_other_again(Place { store, .. }: &Place) {
    let first = asked(store, "one", "1").await;
    let id = first.conversation.id;
    let second = next(store, id, "two").await.turn;
    for question in [first.turn.question.id, second.question.id] {
        let ask = Ask::Instead(question, "other".into());
        let instead = store.begin(ME, ask, origin()).await.unwrap();
        store.withdraw(instead.turn.answer.id).await.unwrap();
        assert_eq!(texts(store, id).await, ["one", "1", "two", ""]);
    }
}

async fn what_is_hidden_stays_so_when_a_question_is_taken_back(Place { store, .. }: &Place) {
    let first = asked(store, "one", "1").await;
    let id = first.conversation.id;
    let second = next(store, id, "two").await;
    store.hide(ME, second.turn.question.id, true).await.unwrap();
    let third = next(store, id, "three").await;
    store.withdraw(third.turn.answer.id).await.unwrap();
    assert_eq!(texts(store, id).await, ["one", "1"]);
}

async fn another_answer_that_is_taken_back_leaves_the_first_with_what_follows_it(
    Place { store, .. }: &Place,
) {
    let first = asked(store, "one", "1").await;
    let id = first.conversation.id;
    next(store, id, "two").await;
    let ask = Ask::Again(first.turn.answer.id);
    let again = store.begin(ME, ask, origin()).await.unwrap();
    assert_eq!(texts(store, id).await, ["one", ""]);
    store.withdraw(again.turn.answer.id).await.unwrap();
    assert_eq!(texts(store, id).await, ["one", "1", "two", ""]);
}

async fn those_who_wait_for_what_is_taken_back_go_on_before_it(Place { store, .. }: &Place) {
    let ask = Ask::First("one".into());
    let first = store.begin(ME, ask, origin()).await.unwrap();
    let id = first.conversation.id;
    let second = next(store, id, "two").await;
    let third = next(store, id, "three").await;
    store.withdraw(second.turn.answer.id).await.unwrap();
    assert_eq!(texts(store, id).await, ["one", "", "three", ""]);
    store.withdraw(first.turn.answer.id).await.unwrap();
    assert_eq!(texts(store, id).await, ["three", ""]);
    store.withdraw(third.turn.answer.id).await.unwrap();
    assert!(store.conversation(id).await.unwrap().is_none());
}

async fn only_so_many_messages_fit_a_conversation(Place { store, .. }: &Place) {
    let first = asked(store, "one", "1").await;
    let (id, room) = (first.conversation.id, MESSAGES - 3);
    let numbers: Vec<_> = (0..room)
        .map(|n| format!("('{:032x}', '{id}', 'question', 0, 'x')", n + 1))
        .collect();
    let columns = "INSERT INTO messages (id, conversation, role, created, text) VALUES";
    store
        .execute(&format!("{columns} {}", numbers.join(", ")))
        .await;
    let ask = Ask::Next(id, "another".into());
    let full = store.begin(ME, ask, origin()).await.unwrap_err();
    assert!(matches!(full, StoreError::Full), "{full}");
    assert_eq!(
        full.to_string(),
        "a conversation may have at most 4000 messages"
    );
    assert_eq!(store.tree(id).await.unwrap().len(), MESSAGES - 1);
}

async fn texts_may_hold_anything(Place { store, .. }: &Place) {
    let odd = "'; DROP TABLE messages; --\r\n\t$1 \u{FFFF} 日本語 🦀 \\ \"";
    let begun = asked(store, odd, odd).await;
    let id = begun.conversation.id;
    assert_eq!(texts(store, id).await, [odd, odd]);
    let null = "before\0after";
    let begun = next(store, id, null).await;
    let (answer, end) = (begun.turn.answer.id, End::failed(null));
    store.checkpoint(&[written(answer, null)]).await.unwrap();
    store.finish(&written(answer, null), &end).await.unwrap();
    store
        .change(ME, id, Change::Rename(null.to_owned()))
        .await
        .unwrap();
    let mut settings = origin().settings;
    null.clone_into(&mut settings.system_prompt);
    store.keep_settings(ME, &settings).await.unwrap();
    assert_eq!(store.settings(ME).await.unwrap(), Some(settings));
    let kept = "before\u{FFFD}after";
    assert_eq!(texts(store, id).await[2..], [kept, kept]);
    let (conversation, _) = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(conversation.title, kept);
}
