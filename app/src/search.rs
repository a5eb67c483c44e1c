//! The field that searches conversations, wherever it stands.

use leptos::prelude::*;

use crate::visitor::language;

/// The page of what is found.
pub(crate) const CHATS: &str = "/chats";

/// The field that searches titles and messages.
#[component]
pub(crate) fn Search(search: String) -> impl IntoView {
    let t = language();
    view! {
        <form method="get" action=CHATS role="search" class="search">
            <input
                type="search"
                name="q"
                value=search
                maxlength="200"
                dir="auto"
                placeholder=t.search_chats()
                aria-label=t.search_chats()
            />
            <button type="submit">{t.search()}</button>
        </form>
    }
    .into_any()
}
