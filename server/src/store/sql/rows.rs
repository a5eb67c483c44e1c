//! Rows as what they stand for.

use nibble_app::domain::{
    Answer, Attachment, Conversation, End, EndReason, Id, Metrics, Node, Question,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

type Read<T> = Result<T, sqlx::Error>;

/// The columns that [`conversation`] reads.
pub(super) const CONVERSATION: &str =
    "id, title, created, updated, pinned, shared, settings, tip, usd";

pub(super) fn conversation(row: &AnyRow) -> Read<Conversation> {
    Ok(Conversation {
        id: id(row, "id")?,
        title: row.try_get("title")?,
        created: row.try_get("created")?,
        updated: row.try_get("updated")?,
        pinned: row.try_get::<i64, _>("pinned")? != 0,
        shared: row.try_get::<i64, _>("shared")? != 0,
        settings: json(row, "settings")?.unwrap_or_default(),
        tip: optional_id(row, "tip")?,
        usd: row.try_get("usd")?,
    })
}

pub(super) fn node(row: &AnyRow) -> Read<Node> {
    Ok(Node {
        id: id(row, "id")?,
        parent: optional_id(row, "parent")?,
        begins_memory: begins_memory(row)?,
    })
}

pub(super) fn begins_memory(row: &AnyRow) -> Read<bool> {
    Ok(row.try_get::<i64, _>("memory")? != 0)
}

/// Whether what an answer took is no figure of this place.
pub(super) fn is_elsewhere(row: &AnyRow) -> Read<bool> {
    Ok(row.try_get::<i64, _>("elsewhere")? != 0)
}

/// A question, but for its siblings.
pub(super) fn question(row: &AnyRow) -> Read<Question> {
    Ok(Question {
        id: id(row, "id")?,
        text: row.try_get("text")?,
        attachments: json(row, "attachments")?.unwrap_or_default(),
        siblings: Vec::new(),
    })
}

/// The column of a question's files; nothing where it has none.
pub(super) fn attachments_json(attachments: &[Attachment]) -> Read<Option<String>> {
    let some = (!attachments.is_empty()).then_some(attachments);
    some.map(|attachments| to_json(&attachments)).transpose()
}

/// An answer, but for its place in the conversation.
pub(super) fn answer(row: &AnyRow) -> Read<Answer> {
    let state: Option<String> = row.try_get("state")?;
    let reason = reason(state.as_deref().unwrap_or_default(), row.try_get("reason")?);
    let metrics = json(row, "metrics")?;
    Ok(Answer {
        id: id(row, "id")?,
        thought: row.try_get("thought")?,
        text: row.try_get("text")?,
        end: reason.map(|reason| End { reason, metrics }),
        siblings: Vec::new(),
        is_told_alone: false,
        origin: json(row, "origin")?.unwrap_or_default(),
    })
}

/// The figures of an answer.
pub(super) fn metrics(row: &AnyRow) -> Read<Option<Metrics>> {
    json(row, "metrics")
}

/// How an answer ended that is in this state; nothing while it runs.
fn reason(state: &str, reason: Option<String>) -> Option<EndReason> {
    Some(match state {
        "queued" | "running" => return None,
        "complete" => EndReason::Complete,
        "max_tokens" => EndReason::MaxTokens,
        "context" => EndReason::Context,
        "repetition" => EndReason::Repetition,
        "stopped" => EndReason::Stopped,
        "cut_off" => EndReason::CutOff,
        "interrupted" => EndReason::Interrupted,
        _ => EndReason::Failed(reason.unwrap_or_default()),
    })
}

/// The state of an answer that ended so.
pub(super) fn state(reason: &EndReason) -> &'static str {
    match reason {
        EndReason::Complete => "complete",
        EndReason::MaxTokens => "max_tokens",
        EndReason::Context => "context",
        EndReason::Repetition => "repetition",
        EndReason::Stopped => "stopped",
        EndReason::CutOff => "cut_off",
        EndReason::Interrupted => "interrupted",
        EndReason::Failed(_) => "failed",
    }
}

pub(super) fn id(row: &AnyRow, column: &str) -> Read<Id> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| undecodable(column, "is no name"))
}

pub(super) fn optional_id(row: &AnyRow, column: &str) -> Read<Option<Id>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|_| undecodable(column, "is no name")))
        .transpose()
}

pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Read<Option<T>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| undecodable(column, error)))
        .transpose()
}

/// A text as both databases take it: texts of Postgres hold no NUL.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Plain data as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Read<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn undecodable(
    column: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: source.into(),
    }
}
