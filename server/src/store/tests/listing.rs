use nibble_app::chat::ListQuery;

use super::*;

on_every_database! {
    conversations_are_listed_by_their_last_use_and_pinned_ones_first
    a_list_has_pages
    words_are_found_in_titles_and_messages
    no_search_is_an_error
    a_text_of_any_length_is_kept_and_found_by_its_beginning
    what_is_deleted_is_not_listed_and_can_be_had_back_until_it_is_forgotten
}

async fn titles(
    store: &SqlStore,
    search: &str,
    from: usize,
    most: usize,
) -> (Vec<String>, Option<usize>) {
    let query = ListQuery {
        search: search.to_owned(),
        from,
    };
    let list = store.list(ME, &query, most).await.unwrap();
    let titles = list.conversations.into_iter().map(|found| found.title);
    (titles.collect(), list.next)
}

async fn found(store: &SqlStore, search: &str) -> Vec<String> {
    let (mut titles, next) = titles(store, search, 0, 50).await;
    assert_eq!(next, None);
    titles.sort();
    titles
}

/// Gives conversations times that differ.
async fn aged(store: &SqlStore, id: Id, updated: i64) {
    let update = format!("UPDATE conversations SET updated = {updated} WHERE id = '{id}'");
    store.execute(&update).await;
}

async fn conversations_are_listed_by_their_last_use_and_pinned_ones_first(
    Place { store, .. }: &Place,
) {
    for (age, title) in (1..).zip(["a", "b", "c"]) {
        let id = asked(store, title, "").await.conversation.id;
        aged(store, id, age).await;
        let pin = Change::Pin(title == "a");
        assert!(store.change(ME, id, pin).await.unwrap());
    }
    assert_eq!(titles(store, "", 0, 9).await.0, ["a", "c", "b"]);
}

async fn a_list_has_pages(Place { store, .. }: &Place) {
    for (age, title) in (1..).zip(["e", "d", "c", "b", "a"]) {
        let id = asked(store, title, "word").await.conversation.id;
        aged(store, id, age).await;
    }
    for search in ["", "word"] {
        assert_eq!(
            titles(store, search, 0, 2).await,
            (vec!["a".into(), "b".into()], Some(2))
        );
        assert_eq!(
            titles(store, search, 2, 2).await,
            (vec!["c".into(), "d".into()], Some(4))
        );
        assert_eq!(titles(store, search, 4, 2).await, (vec!["e".into()], None));
        assert_eq!(titles(store, search, 9, 2).await, (vec![], None));
        assert_eq!(titles(store, search, 0, 5).await.1, None);
        assert_eq!(titles(store, search, usize::MAX, 2).await, (vec![], None));
    }
}

async fn words_are_found_in_titles_and_messages(
    Place {
        store, is_sqlite, ..
    }: &Place,
) {
    asked(
        store,
        "Foxes",
        "They hunt well-known voles, e.g. at 3.14 km.",
    )
    .await;
    asked(store, "Cats", "Ask O'Neill of the vole café.").await;
    asked(store, "天空为什么是蓝色的", "因为散射。").await;
    for (search, titles) in [
        ("fox", vec!["Foxes"]),
        ("VOLE", vec!["Cats", "Foxes"]),
        ("hunt voles", vec!["Foxes"]),
        ("fox hunt", vec![]),
        ("well-known", vec!["Foxes"]),
        ("3.14", vec!["Foxes"]),
        ("O'Neill", vec!["Cats"]),
        ("CAFÉ", vec!["Cats"]),
        ("vole at", vec!["Foxes"]),
        ("dog", vec![]),
        ("因为", vec!["天空为什么是蓝色的"]),
        ("天空为", vec!["天空为什么是蓝色的"]),
        ("什么是", vec!["天空为什么是蓝色的"]),
        ("oxe", vec!["Foxes"]),
    ] {
        assert_eq!(found(store, search).await, titles, "{search}");
    }
    for (within, titles) in [
        ("nown", vec!["Foxes"]),
        ("散射", vec!["天空为什么是蓝色的"]),
        ("射", vec!["天空为什么是蓝色的"]),
    ] {
        let titles = if *is_sqlite { titles } else { vec![] };
        assert_eq!(found(store, within).await, titles, "{within}");
    }
}

async fn no_search_is_an_error(Place { store, .. }: &Place) {
    let odd = "100% o'f a_b \"quoted\" *star* back\\slash a:b & | ! ( ) < > <-> NEAR OR AND NOT";
    asked(store, odd, "nul \0 here").await;
    let long = "x".repeat(10_000);
    let many = "word ".repeat(2_000);
    let signs = [
        "'", "%", "_", "\"", "*", "\\", "\0", "&", "|", "!", ":", ":*", "(", "<->", "''", "\"\"",
        "\\'", "²", "-", "x\0y",
    ];
    for search in signs.into_iter().chain([
        &*long,
        &*many,
        "AND",
        "NEAR(a",
        "a:b",
        " \t\n",
        "a\" OR \"b",
    ]) {
        let query = ListQuery {
            search: search.to_owned(),
            from: 0,
        };
        let listed = store.list(ME, &query, 9).await;
        assert!(listed.is_ok(), "{search:.50}: {listed:?}");
    }
    for word in ["100%", "o'f", "\"quoted\"", "*star*", "back\\slash"] {
        assert_eq!(found(store, word).await.len(), 1, "{word}");
    }
    for word in ["%%%", "a%f", "quo_ed"] {
        assert_eq!(found(store, word).await.len(), 0, "{word}");
    }
}

async fn a_text_of_any_length_is_kept_and_found_by_its_beginning(Place { store, .. }: &Place) {
    let words: Vec<_> = (0..300_000).map(|n| format!("word{n}")).collect();
    let long = words.join(" ");
    let id = asked(store, "long", &long).await.conversation.id;
    assert_eq!(texts(store, id).await[1].len(), long.len());
    assert_eq!(found(store, "word99 word9999").await, ["long"]);
}

async fn what_is_deleted_is_not_listed_and_can_be_had_back_until_it_is_forgotten(
    Place { store, .. }: &Place,
) {
    let id = asked(store, "one", "1").await.conversation.id;
    asked(store, "two", "2").await;
    assert!(store.change(ME, id, Change::Delete).await.unwrap());
    assert!(!store.change(ME, id, Change::Delete).await.unwrap());
    assert_eq!(found(store, "").await, ["two"]);
    assert!(store.conversation(id).await.unwrap().is_none());
    let refused = store
        .begin(ME, Ask::Next(id, "more".into()), origin())
        .await;
    assert!(matches!(refused, Err(StoreError::Gone)));
    assert_eq!(store.purge(now() - 10_000).await.unwrap(), 0);
    assert!(store.change(ME, id, Change::Restore).await.unwrap());
    assert!(!store.change(ME, id, Change::Restore).await.unwrap());
    assert_eq!(found(store, "").await, ["one", "two"]);
    let gone = now() - 1;
    assert_eq!(store.delete_all(ME, gone).await.unwrap(), 2);
    assert!(found(store, "").await.is_empty());
    assert_eq!(store.restore_all(ME, gone - 1).await.unwrap(), 0);
    assert_eq!(store.restore_all(ME, gone).await.unwrap(), 2);
    assert_eq!(found(store, "").await, ["one", "two"]);
    assert_eq!(store.delete_all(ME, now()).await.unwrap(), 2);
    assert_eq!(store.purge(now() + 1).await.unwrap(), 2);
    assert!(!store.change(ME, id, Change::Restore).await.unwrap());
    assert!(store.tree(id).await.unwrap().is_empty());
}
