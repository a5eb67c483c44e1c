//! How long pages and lists take with many conversations. It prints, and asserts no time:
//!
//! `cargo test --release -p nibble --lib -- --ignored --nocapture ten_thousand`

use std::fmt::Write;
use std::time::{Duration, Instant};

use nibble_app::chat::ListQuery;
use nibble_app::domain::Id;
use nibble_app::visitor::Owner;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::store::{Database, SqlStore, Store};
use crate::test_support::browser::{Browser, message};
use crate::test_support::postgres;
use crate::test_support::scripted::Scripted;

const CONVERSATIONS: u128 = 10_000;
/// Questions and answers of the long conversation.
const TURNS: u128 = 500;
const ROUNDS: usize = 200;

/// Some words of a vocabulary in which some are common and most are rare.
fn text(random: &mut StdRng, words: usize) -> String {
    let mut text = String::new();
    for _ in 0..words {
        let word = (1.0 / (random.random::<f64>() + 0.0005)) as u32;
        let _ = write!(text, "word{word} ");
    }
    text
}

/// Conversations of one turn, which all have the settings of the one that is there, and turns in that one.
async fn filled(store: &SqlStore, owner: Owner, long: Id, tip: Id) {
    let mut random = StdRng::seed_from_u64(1);
    let turn = |conversation: Id, parent: Id, n: u128, random: &mut StdRng| {
        let [question, answer] = [2 * n, 2 * n + 1].map(Id);
        let [asked, answered] = [text(random, 12), text(random, 150)];
        format!(
            "('{question}', '{conversation}', '{parent}', 'question', 0, '{asked}', NULL),
             ('{answer}', '{conversation}', '{question}', 'answer', 0, '{answered}', 'complete')"
        )
    };
    for chunk in 0..CONVERSATIONS / 500 {
        let ids = || (chunk * 500 + 1..=chunk * 500 + 500).map(|n| n + 1_000_000);
        let rows: Vec<_> = ids()
            .map(|n| {
                format!(
                    "('{}', '{owner}', 'Of word{}', {n}, {n}, '{{}}', '{}')",
                    Id(n),
                    n % 977,
                    Id(2 * n + 1)
                )
            })
            .collect();
        let columns =
            "INSERT INTO conversations (id, owner, title, created, updated, settings, tip) VALUES";
        store
            .execute(&format!("{columns} {}", rows.join(", ")))
            .await;
        // What begins a conversation follows nothing.
        let turns: Vec<_> = ids().map(|n| turn(Id(n), Id(0), n, &mut random)).collect();
        let columns =
            "INSERT INTO messages (id, conversation, parent, role, created, text, state) VALUES";
        let turns = turns.join(", ").replace(&format!("'{}'", Id(0)), "NULL");
        store.execute(&format!("{columns} {turns}")).await;
    }
    let columns =
        "INSERT INTO messages (id, conversation, parent, role, created, text, state) VALUES";
    let mut parent = tip;
    for n in 1..=TURNS {
        store
            .execute(&format!("{columns} {}", turn(long, parent, n, &mut random)))
            .await;
        parent = Id(2 * n + 1);
    }
    store
        .execute(&format!(
            "UPDATE conversations SET tip = '{parent}' WHERE id = '{long}'"
        ))
        .await;
}

/// The median and the 95th percentile of so many rounds.
async fn measured<T>(what: &str, mut round: impl AsyncFnMut() -> T) {
    round().await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        round().await;
        times.push(began.elapsed());
    }
    times.sort();
    let ms = |share: usize| times[ROUNDS * share / 100].as_secs_f64() * 1000.0;
    println!("{what:32} {:7.2} ms, p95 {:7.2} ms", ms(50), ms(95));
}

async fn measure(database: &Database, after: &str) {
    let store = SqlStore::open(database).await.unwrap();
    let twin = store.twin();
    let browser = Browser::with_store(
        std::sync::Arc::new(Scripted::new(&["a"], Duration::ZERO)),
        store,
    );
    let sent = browser
        .post_json("/api/send", &message("", "one"))
        .await
        .json();
    let name = |field: &str| sent[field].as_str().unwrap().parse::<Id>().unwrap();
    let (long, tip) = (name("conversation"), name("run"));
    browser.get(&format!("/runs/{tip}/events")).await;
    let (_, owner) = twin.conversation(long).await.unwrap().unwrap();
    filled(&twin, owner, long, tip).await;
    twin.execute(after).await;
    for (search, from) in [
        ("", 0),
        ("", 5_000),
        ("word1", 0),
        ("word1", 5_000),
        ("word1234", 0),
        ("word3 word77", 0),
        ("no such words", 0),
        ("天空", 0),
    ] {
        let query = ListQuery {
            search: search.to_owned(),
            from,
        };
        let what = format!("list `{search}` from {from}");
        measured(&what, async || twin.list(owner, &query, 50).await.unwrap()).await;
    }
    for path in [
        "/".to_owned(),
        format!("/c/{long}"),
        format!("/chats/list?current={long}"),
    ] {
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200);
        measured(&path, async || browser.get(&path).await).await;
    }
    measured("tree of the long one", async || {
        twin.tree(long).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: for a release build on a quiet machine"]
async fn ten_thousand_conversations_and_one_of_a_thousand_messages() {
    let folder = tempfile::tempdir().unwrap();
    println!("SQLite");
    let found = "INSERT INTO found (rowid, text) SELECT n, text FROM messages WHERE role = 'answer' AND parent <> ''";
    measure(&Database::File(folder.path().join("a.db")), found).await;
    if let Some(url) = postgres::database() {
        println!("Postgres");
        measure(&Database::Postgres(url), "ANALYZE").await;
    }
}
