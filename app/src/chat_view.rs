//! A conversation, new or old: header, sidebar, composer and turns.

use leptos::prelude::*;

use crate::answer::TurnView;
use crate::chat::{Conversation, Draft, SharedChat};
use crate::composer::Composer;
use crate::settings::MessageForm;
use crate::shell::{Document, Header};
use crate::sidebar::Sidebar;

/// The page of a conversation, with the [`Draft`] of the context if there is one.
#[component]
pub(crate) fn ChatView(conversation: Conversation, chat: SharedChat) -> impl IntoView {
    let title = conversation.title();
    let Conversation {
        id,
        settings,
        turns,
    } = conversation;
    let (form, complaint) = match use_context::<Draft>() {
        Some(draft) => (draft.form, Some(draft.complaint)),
        None => (MessageForm::blank(&id, &settings), None),
    };
    let running = turns
        .last()
        .filter(|turn| turn.answer.end.is_none())
        .map(|turn| turn.answer.run.clone())
        .unwrap_or_default();
    let model = chat.model();
    let name = model.name.clone();
    let autofocus = turns.is_empty();
    let latest = turns.len().saturating_sub(1);
    let turns: Vec<_> = turns
        .into_iter()
        .enumerate()
        .map(|(index, turn)| {
            let chat = chat.clone();
            view! {
                {(index == latest).then(|| view! { <span id="latest"></span> })}
                <TurnView turn chat/>
            }
        })
        .collect();
    view! {
        <Document title>
            <a class="skip" href="#message">"Skip to the message"</a>
            <Header settings=true/>
            <Sidebar model form=form.clone() complaint=complaint.clone()/>
            <main>
                <Composer form complaint running autofocus/>
                <div id="log">
                    <h2 class="unseen">"Conversation"</h2>
                    <article class="greeting" aria-label="Greeting">
                        <p>
                            "Hello! I am "
                            <strong>{name}</strong>
                            ", running on this machine’s CPU at four bits a weight. What shall we talk about?"
                        </p>
                    </article>
                    {turns}
                </div>
            </main>
        </Document>
    }
}
