use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::{DeleteAllChats, set_status};
use crate::chat::{List, ListQuery, Loaded};
use crate::chat_acts::ChatActs;
use crate::day::day;
use crate::domain::Conversation;
use crate::figures::usd;
use crate::language::Language;
use crate::search::{CHATS, Search};
use crate::shell::Aside;
use crate::transfer::{Outcome, Transfer};
use crate::visitor::Visitor;
use crate::visitor::language;

/// `/chats`: all conversations, or those in which some words stand.
#[component]
pub(crate) fn Chats() -> impl IntoView {
    let Loaded {
        list,
        query,
        trouble,
        ..
    } = use_context::<Loaded>().unwrap_or_default();
    let t = language();
    if trouble.is_some() {
        set_status(503);
    }
    let trouble = trouble.map(|trouble| {
        view! { <p class="outcome failed" role="alert">{trouble.reason.sentence(t)}</p> }
    });
    let visitor = use_context::<Visitor>().unwrap_or_default();
    let whose = if visitor.signed_in {
        t.all_chats()
    } else {
        t.all_chats_of_browser()
    };
    view! {
        <Aside title=t.chats()>
            <h1>{t.chats()}</h1>
            <Search search=query.search.clone()/>
            {trouble}
            <Outcome/>
            <Found list query/>
            <Transfer/>
            <details class="all">
                <summary>{whose}</summary>
                <form method="post" action=DeleteAllChats::PATH>
                    <button type="submit" class="danger">{t.delete_all_chats()}</button>
                </form>
            </details>
        </Aside>
    }
}

#[component]
fn Found(list: List, query: ListQuery) -> impl IntoView {
    let t = language();
    if list.conversations.is_empty() {
        let words = if query.search.is_empty() {
            t.no_chats_yet()
        } else {
            t.no_chat_found()
        };
        return view! { <p>{words}</p> }.into_any();
    }
    let next = list.next.map(|from| {
        let mut address = form_urlencoded::Serializer::new(format!("{CHATS}?"));
        address.append_pair("q", &query.search);
        address.append_pair("from", &from.to_string());
        view! { <p><a class="button" href=address.finish()>{t.more_chats()}</a></p> }
    });
    let rows = list
        .conversations
        .into_iter()
        .map(|conversation| row(t, conversation))
        .collect_view();
    view! {
        <ul class="chat-rows">{rows}</ul>
        {next}
    }
    .into_any()
}

fn row(t: Language, conversation: Conversation) -> impl IntoView {
    let title = conversation.title.clone();
    let mut facts = vec![day(t, conversation.updated), usd(conversation.usd)];
    for (on, word) in [
        (conversation.pinned, t.is_pinned()),
        (conversation.shared, t.is_shared()),
    ] {
        if on {
            facts.push(word.to_owned());
        }
    }
    view! {
        <li>
            <a href=format!("/c/{}", conversation.id) dir="auto">{title}</a>
            <p class="note">{facts.join(" · ")}</p>
            <details>
                <summary>{t.change()}</summary>
                <ChatActs conversation/>
            </details>
        </li>
    }
    .into_any()
}
