//! `GET /speed.csv`: what the answers of `/speed` took, as a file.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use nibble_app::chat::Speeds;
use nibble_app::csv as written_as_csv;
use nibble_app::domain::Filter;
use nibble_engine::Caller;

use super::exports::{file, told};
use super::{FIGURES, unrendered};
use crate::state::AppState;
use crate::visitor::Visiting;

const CSV: &str = "text/csv; charset=utf-8";

pub(super) async fn csv(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    visiting: Visiting,
) -> Response {
    let t = visiting.visitor.language;
    let _reading = FIGURES.acquire().await.ok();
    let answers = match state.chat.measured(visiting.visitor).await {
        Ok(answers) => answers,
        Err(trouble) => return told(t, &trouble),
    };
    let filter = Filter::of(&query.unwrap_or_default());
    let written = state
        .filing
        .run(Caller(visiting.visitor.caller), move || {
            written_as_csv(&filter.wanted(&answers))
        })
        .await;
    match written {
        Ok(text) => file(t.answers_file(), "csv", CSV, text.into()),
        Err(error) => unrendered(t, &error),
    }
}

#[cfg(test)]
mod tests;
