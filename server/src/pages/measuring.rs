//! `POST /about/measure`: measures what the machine can do at best, while nothing else is asked of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use leptos::prelude::provide_context;
use nibble_app::chat::MeasureRefused;
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::language::{Language, Told};
use nibble_app::{ABOUT, ROOFLINE};

use super::Pages;
use crate::chat::{ChatService, Refused};
use crate::sign_in::lead;
use crate::state::AppState;
use crate::visitor::Visiting;

/// Who types the address once more is led to what was measured.
pub(super) async fn page() -> Response {
    lead(ROOFLINE)
}

impl Pages {
    /// Measures and leads to the roofline; where that is refused, the page says why.
    pub(super) async fn measure(
        self,
        State(state): State<AppState>,
        visiting: Visiting,
    ) -> Response {
        let mut response = match measured(Arc::clone(&state.chat)).await {
            Ok(()) => lead(ROOFLINE),
            Err(complaint) => {
                let kind = complaint.kind;
                let tell = move || provide_context(MeasureRefused(complaint.clone()));
                self.told(visiting.visitor, Uri::from_static(ABOUT), kind, tell)
                    .await
            }
        };
        visiting.remember(&mut response);
        response
    }
}

/// To its end also when the client leaves, or another would measure beside it.
async fn measured(chat: Arc<ChatService>) -> Result<(), Complaint> {
    let measured = tokio::spawn(async move { chat.measure_limits().await }).await;
    match measured.unwrap_or_else(|error| Err(Refused::Failed(error.to_string()))) {
        // The limits are shown, however old they are.
        Ok(()) | Err(Refused::Fresh) => Ok(()),
        Err(Refused::Busy) => Err(refused(Told::new(Language::not_idle))),
        Err(Refused::Failed(error)) => {
            tracing::error!("the machine's limits are not measured: {error}");
            Err(refused(Told::new(Language::limits_not_measured)))
        }
    }
}

fn refused(reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Unavailable,
    }
}
