//! Databases of earlier versions, as `sqlite3 FILE .dump` and `pg_dump --inserts` wrote them.

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use super::*;

const SQLITE: [&str; 2] = [
    include_str!("schema_1.sqlite.sql"),
    include_str!("schema_2.sqlite.sql"),
];
const POSTGRES: [&str; 2] = [
    include_str!("schema_1.postgres.sql"),
    include_str!("schema_2.postgres.sql"),
];

async fn dumped(url: &str, dump: &'static str) {
    install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let dump = sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection);
    dump.await.unwrap();
    connection.close().await.unwrap();
}

async fn reads(Place { store, .. }: &Place) {
    let (id, [first, open]) = (Id(1), [Id(3), Id(5)]);
    let (conversation, owner) = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(owner, ME);
    assert_eq!(conversation.settings, origin().settings);
    assert!(conversation.pinned && !conversation.shared);
    let all = [
        "Why is the sky blue?",
        "Because air scatters light.",
        "Et à midi? 中午呢？",
        "It is bluest ov",
    ];
    assert_eq!(texts(store, id).await, all);
    let answered = answer(store, first).await;
    assert_eq!(answered.origin.seed, 7);
    let metrics = answered.end.unwrap().metrics.unwrap();
    assert_eq!(metrics.decode_tokens_per_second, Some(40.0));
    let end = answer(store, open).await.end.unwrap();
    assert_eq!(end.reason, EndReason::Interrupted);
    let settings = store.settings(ME).await.unwrap();
    assert_eq!(settings, Some(origin().settings));
    for word in ["scatters", "midi", "bluest"] {
        let search = nibble_app::chat::ListQuery {
            search: word.to_owned(),
            from: 0,
        };
        let found = store.list(ME, &search, 9).await.unwrap();
        assert_eq!(found.conversations.len(), 1, "{word}");
    }
    assert_eq!(memory(store, id).await, None);
    let question = whole(store, id).await[1].question.id;
    store.begin_memory(question).await.unwrap();
    assert_eq!(memory(store, id).await, Some(question));
    assert_eq!(store.presets(ME).await.unwrap(), []);
    store.save_preset(ME, &preset("mine")).await.unwrap();
    let next = next(store, id, "And at night?").await.turn.answer.id;
    store
        .finish(&written(next, "Black."), &complete(0.5))
        .await
        .unwrap();
    assert_eq!(texts(store, id).await.len(), 6);
    assert!(store.change(ME, id, Change::Delete).await.unwrap());
    assert_eq!(store.purge(now() + 1).await.unwrap(), 1);
}

#[tokio::test]
async fn every_earlier_sqlite_database_is_read() {
    for dump in SQLITE {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        dumped(&format!("sqlite://{}?mode=rwc", file.display()), dump).await;
        reads(&Place::open(Database::File(file)).await).await;
    }
}

#[tokio::test]
async fn every_earlier_postgres_database_is_read() {
    for dump in POSTGRES {
        let Some(url) = postgres::database() else {
            return;
        };
        dumped(&url, dump).await;
        reads(&Place::open(Database::Postgres(url)).await).await;
    }
}
