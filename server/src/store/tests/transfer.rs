//! Whole conversations, out and in.

use nibble_app::domain::Transcript;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::*;
use crate::interchange::tests::trees::transcript;

/// Some conversations of any shape.
fn transcripts(count: usize) -> Vec<Transcript> {
    let trees = proptest::collection::vec(transcript(), count);
    let mut runner = TestRunner::deterministic();
    trees.new_tree(&mut runner).unwrap().current()
}

/// All messages, read a few at a time, in which names stand for their order.
async fn read(store: &dyn Store, conversation: Id) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut after = crate::store::Place::default();
    loop {
        let some = store.messages(conversation, after, 3).await.unwrap();
        let Some((last, _)) = some.last() else {
            break;
        };
        after = *last;
        messages.extend(some.into_iter().map(|(_, message)| message));
    }
    let names: Vec<_> = messages.iter().map(|message| message.id).collect();
    let place = |id: Id| Id(names.iter().position(|name| *name == id).unwrap() as u128 + 1);
    for message in &mut messages {
        message.id = place(message.id);
        message.parent = message.parent.map(place);
    }
    messages
}

async fn what_is_imported_is_read_again_under_names_of_its_own(place: &Place) {
    let store = &place.store;
    for transcript in transcripts(8) {
        let id = store.import(ME, &transcript).await.unwrap();
        let again = store.import(OTHER, &transcript).await.unwrap();
        assert_ne!(id, again);
        assert_eq!(read(store, id).await, transcript.messages);
        assert_eq!(read(store, again).await, transcript.messages);
        let (conversation, owner) = store.conversation(id).await.unwrap().unwrap();
        assert_eq!(owner, ME);
        let expected = Conversation {
            id,
            tip: conversation.tip,
            ..transcript.conversation.clone()
        };
        assert_eq!(conversation, expected);
        assert!(conversation.tip.is_some());
    }
    assert_eq!(store.names(ME).await.unwrap().len(), 8);
    assert_eq!(store.names(Owner([3; 16])).await.unwrap(), []);
}

async fn what_is_imported_is_found(place: &Place) {
    let store = &place.store;
    let mut transcript = transcripts(1).remove(0);
    transcript.messages[0].said =
        nibble_app::domain::Said::question("where do quokkas live?".to_owned());
    store.import(ME, &transcript).await.unwrap();
    let query = nibble_app::chat::ListQuery {
        search: "quokkas".to_owned(),
        ..Default::default()
    };
    let found = store.list(ME, &query, 10).await.unwrap();
    assert_eq!(found.conversations.len(), 1);
    let others = store.list(OTHER, &query, 10).await.unwrap();
    assert_eq!(others.conversations, []);
}

on_every_database! {
    what_is_imported_is_read_again_under_names_of_its_own
    what_is_imported_is_found
}
