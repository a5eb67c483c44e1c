//! Files beside questions.

use super::*;

on_every_database! {
    files_are_kept_with_their_question
    a_question_without_words_is_titled_by_its_first_file
    a_copied_branch_has_its_files
    files_go_with_their_conversation
    a_search_is_of_what_was_typed
}

fn files() -> Vec<Attachment> {
    vec![
        Attachment::new("notes.txt", "quokkas \u{1F994} \\ ' \" $1\0\n"),
        Attachment::new("b.md", "``` \u{202e}"),
    ]
}

/// A question with [`files`], answered.
async fn with_files(store: &SqlStore, text: &str) -> Begun {
    let content = Content {
        text: text.to_owned(),
        attachments: files(),
    };
    let begun = store.begin(ME, Ask::First(content), origin()).await;
    let begun = begun.unwrap();
    let answer = written(begun.turn.answer.id, "Yes.");
    store.finish(&answer, &complete(0.0)).await.unwrap();
    begun
}

async fn files_are_kept_with_their_question(Place { store, .. }: &Place) {
    let begun = with_files(store, "what is it?").await;
    let asked = begun.turn.question;
    assert_eq!(asked.attachments, files());
    let turns = whole(store, begun.conversation.id).await;
    assert_eq!(turns[0].question.attachments, files());
    let read = store.question(asked.id).await.unwrap().unwrap();
    assert_eq!(read, asked);
    let answer = begun.turn.answer.id;
    assert_eq!(store.question(answer).await.unwrap(), None);
    let again = store.begin(ME, Ask::Again(answer), origin()).await.unwrap();
    assert_eq!(again.turn.question.attachments, files());
    let plain = next(store, begun.conversation.id, "and?").await;
    assert_eq!(plain.turn.question.attachments, []);
}

async fn a_question_without_words_is_titled_by_its_first_file(Place { store, .. }: &Place) {
    let typed = with_files(store, "what is it?").await;
    assert_eq!(typed.conversation.title, "what is it?");
    let silent = with_files(store, "").await;
    assert_eq!(silent.conversation.title, "notes.txt");
}

async fn a_copied_branch_has_its_files(Place { store, .. }: &Place) {
    let begun = with_files(store, "what is it?").await;
    let copy = store
        .copy(ME, begun.turn.answer.id, Copied::Whole)
        .await
        .unwrap();
    let turns = whole(store, copy).await;
    assert_eq!(turns[0].question.attachments, files());
}

async fn files_go_with_their_conversation(Place { store, .. }: &Place) {
    let begun = with_files(store, "what is it?").await;
    let (id, question) = (begun.conversation.id, begun.turn.question.id);
    assert!(store.change(ME, id, Change::Delete).await.unwrap());
    store.purge(now() + 1).await.unwrap();
    assert_eq!(store.question(question).await.unwrap(), None);
}

async fn a_search_is_of_what_was_typed(Place { store, .. }: &Place) {
    with_files(store, "what is it?").await;
    let found = async |search: &str| {
        let query = ListQuery {
            search: search.to_owned(),
            from: 0,
        };
        let list = store.list(ME, &query, 9).await.unwrap();
        list.conversations.len()
    };
    assert_eq!(found("what").await, 1);
    assert_eq!(found("quokkas").await, 0);
}
