//! The head of a chat: which model answers, and on a phone the ways to the sidebar and to a new chat.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::ResetChat;
use crate::chat::{Conversation, ModelCard};
use crate::chat_acts::ChatActs;
use crate::figures::{bits_a_weight, bytes};
use crate::visitor::language;

#[component]
pub(crate) fn ChatHeader(
    model: ModelCard,
    /// The one that the page shows, where it can be changed.
    conversation: Option<Conversation>,
) -> impl IntoView {
    let t = language();
    let facts = [
        bits_a_weight(t, model.weight_bytes, model.parameters),
        bytes(model.weight_bytes),
        model.kernel,
        t.threads(model.threads),
    ];
    view! {
        <header class="head">
            <button type="button" class="icon" popovertarget="sidebar" aria-label=t.chats_and_settings()>
                {icon("M2 4h12M2 8h12M2 12h12")}
            </button>
            <h1>{model.name}</h1>
            <p class="facts">{facts.join(" · ")}</p>
            <ChatMenu conversation/>
            <button
                type="submit"
                form="composer"
                formaction=ResetChat::PATH
                formnovalidate
                class="icon"
                aria-label=t.new_chat()
            >
                {icon("M8 2v12M2 8h12")}
            </button>
        </header>
    }
    .into_any()
}

/// What can be done with the chat that the page shows.
#[component]
pub(crate) fn ChatMenu(conversation: Option<Conversation>) -> impl IntoView {
    let t = language();
    let menu = conversation.map(|conversation| {
        view! {
            <button type="button" class="icon menu" popovertarget="chat-acts" aria-label=t.this_chat()>
                {icon("M2 8h2M7 8h2M12 8h2")}
            </button>
            <div id="chat-acts" popover="auto" role="dialog" aria-label=t.this_chat()>
                <ChatActs conversation/>
            </div>
        }
    });
    view! { <div id="chat-menu">{menu}</div> }.into_any()
}

/// A picture of lines on a field of 16 by 16.
pub(crate) fn icon(path: &'static str) -> impl IntoView {
    view! {
        <svg viewBox="0 0 16 16" width="18" height="18" class="lines" aria-hidden="true">
            <path d=path/>
        </svg>
    }
}
