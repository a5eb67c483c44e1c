use nibble_app::chat::ListQuery;

use super::*;

on_every_database! {
    owners_see_and_change_nothing_of_each_other
    an_owner_keeps_settings
    a_conversation_is_changed_by_its_owner
}

async fn owners_see_and_change_nothing_of_each_other(Place { store, .. }: &Place) {
    let mine = asked(store, "secret", "secret").await;
    let (id, Turn { question, answer }) = (mine.conversation.id, mine.turn);
    for search in ["", "secret", "se"] {
        let query = ListQuery {
            search: search.to_owned(),
            from: 0,
        };
        let list = store.list(OTHER, &query, 9).await.unwrap();
        assert!(list.conversations.is_empty(), "{search}");
        assert_eq!(
            store.list(ME, &query, 9).await.unwrap().conversations.len(),
            1
        );
    }
    for ask in [
        Ask::Next(id, "x".into()),
        Ask::Instead(question.id, "x".into()),
        Ask::Again(answer.id),
    ] {
        let refused = store.begin(OTHER, ask, origin()).await;
        assert!(matches!(refused, Err(StoreError::Gone)));
    }
    for change in [
        Change::Rename("x".to_owned()),
        Change::Pin(true),
        Change::Share(true),
        Change::Show(question.id),
        Change::Delete,
    ] {
        assert!(!store.change(OTHER, id, change).await.unwrap());
    }
    assert_eq!(store.delete_all(OTHER, 7).await.unwrap(), 0);
    assert!(store.change(ME, id, Change::Delete).await.unwrap());
    assert!(!store.change(OTHER, id, Change::Restore).await.unwrap());
    assert!(store.change(ME, id, Change::Restore).await.unwrap());
    assert_eq!(store.delete_all(ME, 7).await.unwrap(), 1);
    assert_eq!(store.restore_all(OTHER, 7).await.unwrap(), 0);
    assert_eq!(store.restore_all(ME, 7).await.unwrap(), 1);
    assert_eq!(texts(store, id).await, ["secret", "secret"]);
}

async fn an_owner_keeps_settings(Place { store, .. }: &Place) {
    assert_eq!(store.settings(ME).await.unwrap(), None);
    let mut settings = origin().settings;
    store.keep_settings(ME, &settings).await.unwrap();
    settings.max_tokens = 7;
    store.keep_settings(ME, &settings).await.unwrap();
    assert_eq!(store.settings(ME).await.unwrap(), Some(settings));
    assert_eq!(store.settings(OTHER).await.unwrap(), None);
}

async fn a_conversation_is_changed_by_its_owner(Place { store, .. }: &Place) {
    let id = asked(store, "one", "1").await.conversation.id;
    for change in [
        Change::Rename("other".to_owned()),
        Change::Pin(true),
        Change::Share(true),
    ] {
        assert!(store.change(ME, id, change).await.unwrap());
    }
    let (found, _) = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(found.title, "other");
    assert!(found.pinned && found.shared);
    assert!(store.change(ME, id, Change::Share(false)).await.unwrap());
    let (found, _) = store.conversation(id).await.unwrap().unwrap();
    assert!(found.pinned && !found.shared);
    assert!(!store.change(ME, Id(1), Change::Pin(true)).await.unwrap());
}
