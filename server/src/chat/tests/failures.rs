use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use nibble_app::domain::{EndReason, Id};
use sqlx::{Connection, SqliteConnection};

use crate::store::{Database, SqlStore, Store};
use crate::test_support::browser::{Browser, message};
use crate::test_support::scripted::Scripted;

const PIECES: usize = 60;

/// A server whose answers take a little more than a second, and an answer that has begun.
struct Begun {
    browser: Browser,
    store: SqlStore,
    conversation: String,
    run: Id,
}

impl Begun {
    async fn at(database: &Database) -> Self {
        let store = SqlStore::open(database).await.unwrap();
        let twin = store.twin();
        let piece = format!("{} ", "x".repeat(200));
        let model = Scripted::new(&vec![&*piece; PIECES], Duration::from_millis(20));
        let browser = Browser::with_store(Arc::new(model), store);
        let sent = browser.post_json("/api/send", &message("", "one")).await;
        let sent = sent.json();
        tokio::time::sleep(Duration::from_millis(100)).await;
        Self {
            browser,
            store: twin,
            conversation: sent["conversation"].as_str().unwrap().to_owned(),
            run: sent["run"].as_str().unwrap().parse().unwrap(),
        }
    }

    /// While the database cannot be written, a question is refused with this reason and kept on the page.
    async fn refuses(&self, reason: &str) {
        let typed = "why ".repeat(5_000);
        let form = message("", &typed);
        let refused = self.browser.post_form("/api/send", &form).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.body.contains(reason), "{}", refused.body);
        assert!(refused.body.contains(typed.trim()), "{}", refused.body);
    }

    /// The answer reaches its reader all the same, and is not in the store yet.
    async fn reaches_its_reader(&self) {
        let events = self
            .browser
            .get(&format!("/runs/{}/events", self.run))
            .await;
        let complete = events.body.contains("The answer is complete.");
        assert!(complete, "{}", events.body);
        let page = self.browser.get(&format!("/c/{}", self.conversation)).await;
        assert_eq!(page.body.matches(&"x".repeat(200)).count(), PIECES);
        let answer = self.store.answer(self.run).await.unwrap().unwrap();
        assert_eq!(answer.end, None);
    }

    /// All of it is in the store after a while, and nothing of what was refused.
    async fn is_written_down(&self) {
        let conversation = self.conversation.parse().unwrap();
        for _ in 0..200 {
            let answer = self.store.answer(self.run).await.unwrap().unwrap();
            if let Some(end) = answer.end {
                assert_eq!(end.reason, EndReason::Complete);
                assert_eq!(answer.text.len(), PIECES * 201);
                assert_eq!(self.store.tree(conversation).await.unwrap().len(), 2);
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the answer is not written down");
    }
}

#[tokio::test]
async fn a_full_database_takes_no_question_and_loses_no_answer() {
    let begun = Begun::at(&Database::Memory).await;
    begun.store.execute("PRAGMA max_page_count = 1").await;
    begun.refuses("the database `memory` is full").await;
    begun.reaches_its_reader().await;
    begun.store.execute("PRAGMA max_page_count = 1048576").await;
    begun.is_written_down().await;
}

#[tokio::test]
async fn a_read_only_database_takes_no_question_and_loses_no_answer() {
    let begun = Begun::at(&Database::Memory).await;
    begun.store.execute("PRAGMA query_only = 1").await;
    begun.refuses("the database `memory` is read-only").await;
    begun.reaches_its_reader().await;
    begun.store.execute("PRAGMA query_only = 0").await;
    begun.is_written_down().await;
}

#[tokio::test]
async fn a_locked_database_takes_no_question_and_loses_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let begun = Begun::at(&Database::File(file.clone())).await;
    let url = format!("sqlite://{}", file.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let lock = sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await;
    lock.unwrap();
    begun.refuses("a.db` is locked by another program").await;
    begun.reaches_its_reader().await;
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    begun.is_written_down().await;
}

#[tokio::test]
async fn the_first_page_says_that_conversations_cannot_be_read() {
    let store = SqlStore::open(&Database::Memory).await.unwrap();
    let twin = store.twin();
    let browser = Browser::with_store(Arc::new(Scripted::new(&["a"], Duration::ZERO)), store);
    twin.execute("DROP TABLE owners").await;
    for path in ["/", "/c/00000000000000000000000000000000"] {
        twin.execute("ALTER TABLE conversations RENAME TO lost")
            .await;
        let page = browser.get(path).await.body;
        twin.execute("ALTER TABLE lost RENAME TO conversations")
            .await;
        let told = "onversations cannot be kept now: the database `memory`";
        assert!(page.contains(told), "{path}: {page}");
    }
}
