//! `POST /chats/import`: a file of conversations, by a form that needs no script. It is answered by the list of chats, which
//! says what came of it.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use leptos::prelude::provide_context;
use nibble_app::chat::Imported;
use nibble_app::language::Language;

use super::Pages;
use crate::bodies::Unread;
use crate::state::AppState;
use crate::visitor::Visiting;

/// Where files are sent.
pub(crate) const IMPORT: &str = "/chats/import";

/// The largest file.
const FILE_BYTES: usize = 64 << 20;

impl Pages {
    pub(super) async fn import(self, State(state): State<AppState>, request: Request) -> Response {
        let visiting = Visiting::new(request.extensions(), request.headers());
        let visitor = visiting.visitor;
        let (status, imported) = match state.files.file(request, FILE_BYTES).await {
            Ok(file) => {
                let imported = state.chat.import(visitor, file, &state.filing).await;
                let is_refused = imported.chats == 0 && imported.trouble.is_some();
                let refused = StatusCode::UNPROCESSABLE_ENTITY;
                (if is_refused { refused } else { StatusCode::OK }, imported)
            }
            Err(unread) => {
                let trouble = Some(reason(visitor.language, unread));
                let nothing = Imported::default();
                (unread.status(), Imported { trouble, ..nothing })
            }
        };
        let mut page = Request::new(Body::empty());
        *page.uri_mut() = Uri::from_static("/chats");
        let tell = move || provide_context(imported.clone());
        let mut response = self.render(page, visitor, tell).await;
        if response.status() == StatusCode::OK {
            *response.status_mut() = status;
        }
        visiting.remember(&mut response);
        response
    }
}

fn reason(t: Language, unread: Unread) -> String {
    match unread {
        Unread::TooLarge(limit) => t.file_too_large(limit >> 20),
        Unread::Busy => t.file_busy().to_owned(),
        Unread::Broken => t.file_broken().to_owned(),
        Unread::Late | Unread::Slow | Unread::Coded | Unread::NoGzip => unread.reason(t),
    }
}

#[cfg(test)]
mod tests;
