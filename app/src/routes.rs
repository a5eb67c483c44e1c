//! The table of pages.

use leptos::prelude::*;
use leptos_router::SsrMode;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;

use crate::pages::{
    About, AnswerSpeed, Chats, Compare, ComparisonPage, ConversationPage, Home, Models, NotFound,
    Offline, SignIn, Speed,
};

/// Every page. Expects [`crate::Assets`] and a [`crate::chat::SharedChat`] in the context.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <Routes fallback=NotFound>
                <Route path=path!("/") view=Home ssr=SsrMode::InOrder/>
                <Route path=path!("/chats") view=Chats ssr=SsrMode::InOrder/>
                <Route path=path!("/offline") view=Offline ssr=SsrMode::InOrder/>
                <Route path=path!("/sign-in") view=SignIn ssr=SsrMode::InOrder/>
                <Route path=path!("/speed") view=Speed ssr=SsrMode::InOrder/>
                <Route path=path!("/speed/:id") view=AnswerSpeed ssr=SsrMode::InOrder/>
                <Route path=path!("/compare") view=Compare ssr=SsrMode::InOrder/>
                <Route path=path!("/compare/:id") view=ComparisonPage ssr=SsrMode::InOrder/>
                <Route path=path!("/about") view=About ssr=SsrMode::InOrder/>
                <Route path=path!("/about/models") view=Models ssr=SsrMode::InOrder/>
                <Route path=path!("/c/:id") view=ConversationPage ssr=SsrMode::InOrder/>
            </Routes>
        </Router>
    }
}
