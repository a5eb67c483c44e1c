//! One set of tests for every database. Postgres runs where its programs are installed, which `make test` sees to.

use nibble_app::chat::Change;
use nibble_app::domain::{Attachment, End, EndReason, Id, Metrics, Origin};
use nibble_app::settings::Settings;
use nibble_app::visitor::Owner;

use super::*;
use crate::test_support::postgres;

mod asking;
mod attachments;
mod backups;
mod comparisons;
mod earlier;
mod listing;
mod measured;
mod memory;
mod opening;
mod owners;
mod presets;
mod processes;
mod transfer;
mod writing;

const ME: Owner = Owner([1; 16]);
const OTHER: Owner = Owner([2; 16]);

/// Runs tests on each database, all of which take a [`Place`].
macro_rules! on_every_database {
    ($($test:ident)*) => {
        mod on_a_file {
            $(#[tokio::test]
            async fn $test() {
                let folder = tempfile::tempdir().unwrap();
                let file = $crate::store::Database::File(folder.path().join("a.db"));
                super::$test(&$crate::store::tests::Place::open(file).await).await;
            })*
        }
        mod in_memory {
            $(#[tokio::test]
            async fn $test() {
                let memory = $crate::store::Database::Memory;
                super::$test(&$crate::store::tests::Place::open(memory).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(place) = $crate::store::tests::Place::on_postgres().await {
                    super::$test(&place).await;
                }
            })*
        }
    };
}
use on_every_database;

/// An open database.
struct Place {
    database: Database,
    store: SqlStore,
    is_sqlite: bool,
}

impl Place {
    async fn open(database: Database) -> Self {
        let store = SqlStore::open(&database).await.unwrap();
        let is_sqlite = !matches!(database, Database::Postgres(_));
        Self {
            database,
            store,
            is_sqlite,
        }
    }

    async fn on_postgres() -> Option<Self> {
        Some(Self::open(Database::Postgres(postgres::database()?)).await)
    }
}

fn origin() -> Origin {
    Origin {
        settings: Settings {
            temperature: 0.5,
            max_tokens: 100,
            system_prompt: "be brief".to_owned(),
            usd_per_hour: 3.6,
            ..Settings::default()
        },
        seed: 7,
        model: "Tiny".to_owned(),
        ..Origin::default()
    }
}

fn complete(usd: f64) -> End {
    End {
        reason: EndReason::Complete,
        metrics: Some(Metrics {
            usd_share: usd,
            output_tokens: 3,
            ..Metrics::default()
        }),
    }
}

fn written(id: Id, text: &str) -> Written {
    Written {
        id,
        thought: String::new(),
        text: text.to_owned(),
    }
}

/// A conversation with one question and its answer.
async fn asked(store: &SqlStore, question: &str, answer: &str) -> Begun {
    let begun = store
        .begin(ME, Ask::First(question.into()), origin())
        .await
        .unwrap();
    store
        .finish(&written(begun.turn.answer.id, answer), &complete(0.25))
        .await
        .unwrap();
    begun
}

async fn whole(store: &SqlStore, conversation: Id) -> Vec<Turn> {
    let (found, _) = store.conversation(conversation).await.unwrap().unwrap();
    let window = store
        .window(conversation, found.tip, Part::Whole)
        .await
        .unwrap();
    window.turns
}

/// The question with which memory of the branch that a conversation shows begins.
async fn memory(store: &SqlStore, conversation: Id) -> Option<Id> {
    let (found, _) = store.conversation(conversation).await.unwrap().unwrap();
    let window = store.window(conversation, found.tip, Part::Last(1)).await;
    window.unwrap().memory
}

fn preset(name: &str) -> Preset {
    Preset {
        name: name.to_owned(),
        settings: origin().settings,
        is_built_in: false,
    }
}

/// The texts of the branch that a conversation shows.
async fn texts(store: &SqlStore, conversation: Id) -> Vec<String> {
    let turns = whole(store, conversation).await;
    let texts = turns
        .into_iter()
        .flat_map(|turn| [turn.question.text, turn.answer.text]);
    texts.collect()
}

/// An answer to a question at the end of a conversation that is still written.
async fn next(store: &SqlStore, conversation: Id, question: &str) -> Begun {
    let ask = Ask::Next(conversation, question.into());
    store.begin(ME, ask, origin()).await.unwrap()
}

/// An answer that is being written.
async fn open(store: &SqlStore) -> Id {
    let ask = Ask::First("why?".into());
    let begun = store.begin(ME, ask, origin()).await.unwrap();
    begun.turn.answer.id
}

async fn answer(store: &SqlStore, id: Id) -> Answer {
    store.answer(id).await.unwrap().unwrap()
}
