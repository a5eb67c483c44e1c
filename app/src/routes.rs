//! The table of pages.

use leptos::prelude::*;
use leptos_router::SsrMode;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;

use crate::pages::{ConversationPage, Home, NotFound};

/// Every page. Expects [`crate::Assets`] and a [`crate::chat::SharedChat`] in the context.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <Routes fallback=NotFound>
                <Route path=path!("/") view=Home ssr=SsrMode::InOrder/>
                <Route path=path!("/c/:id") view=ConversationPage ssr=SsrMode::InOrder/>
            </Routes>
        </Router>
    }
}
