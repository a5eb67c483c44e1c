//! A conversation, new or old: header, sidebar, composer and turns.

use leptos::prelude::*;

use crate::answer::TurnView;
use crate::chat::{Draft, Id, Loaded, ModelCard, SharedChat, Thread};
use crate::chat_acts::NoticeView;
use crate::chat_header::ChatHeader;
use crate::chat_list::listed;
use crate::choice::choice;
use crate::complaint::{Complaint, ComplaintKind};
use crate::composer::Composer;
use crate::figures::bits_a_weight;
use crate::memory::{Forgotten, Memory, MemoryView};
use crate::settings::MessageForm;
use crate::shell::Document;
use crate::sidebar::Sidebar;
use crate::starters::Starters;
use crate::visitor::language;

/// The page of a conversation, with the [`Draft`] of the context if there is one.
#[component]
pub(crate) fn ChatView(
    thread: Thread,
    /// What else was loaded.
    loaded: Loaded,
    chat: SharedChat,
) -> impl IntoView {
    let t = language();
    let id = thread.id();
    let model = chat.model(&thread.settings.model);
    let memory = Memory::of(&thread, model.context);
    let Loaded {
        list,
        notice,
        trouble,
        ..
    } = loaded;
    let Thread {
        conversation,
        settings,
        turns,
        earlier,
        later,
        own,
        memory: begins,
    } = thread;
    let title = conversation.as_ref().map(|begun| begun.title.clone());
    let current = conversation.as_ref().map(|begun| begun.id);
    let chats = listed(t, list.conversations, current);
    let (form, complaint, choice, outlook) = match use_context::<Draft>() {
        Some(draft) => {
            let form = draft.form.or(&id, &settings);
            let is_full = |complaint: &Complaint| complaint.kind == ComplaintKind::Full;
            let is_full = draft.complaint.as_ref().is_some_and(is_full);
            let choice = is_full.then(|| choice(t, &draft.wanted, &form));
            (form, draft.complaint, choice, draft.outlook)
        }
        None => (MessageForm::blank(&id, &settings), None, None, None),
    };
    let running = turns
        .iter()
        .find(|turn| turn.answer.end.is_none())
        .map(|turn| turn.answer.id.to_string())
        .unwrap_or_default();
    let context = model.context;
    let begun = !turns.is_empty();
    let latest = turns.len().saturating_sub(1);
    let turns: Vec<_> = turns
        .into_iter()
        .enumerate()
        .map(|(index, turn)| {
            let chat = chat.clone();
            let begins = begins.filter(|begins| own && *begins == turn.question.id);
            view! {
                {begins.map(|begins| view! { <Forgotten begins/> })}
                {(index == latest).then(|| view! { <span id="latest"></span> })}
                <TurnView t turn chat conversation=current.filter(|_| own)/>
            }
        })
        .collect();
    view! {
        <Document title scripted=true>
            <a class="skip" href="#message">{t.skip_to_message()}</a>
            // Enter in a field presses the first button of its form, which must not be New chat.
            <button type="submit" form="composer" hidden></button>
            <ChatHeader model=model.clone() conversation=conversation.filter(|_| own)/>
            <Sidebar model=model.clone() chats form=form.clone() complaint=complaint.clone()/>
            <main>
                {if own {
                    let memory = view! { <MemoryView memory/> }.into_any();
                    view! { <Composer form complaint outlook context running memory choice/> }.into_any()
                } else {
                    // New chat is a button of its form, which the page has without a message too.
                    view! {
                        <form id="composer" method="post" hidden></form>
                        <p class="dock note">{t.shared_with_you()}</p>
                    }
                    .into_any()
                }}
                <div id="log">
                    {notice.filter(|_| own).map(|notice| view! { <NoticeView notice/> })}
                    {trouble.map(|trouble| view! { <p class="outcome failed" role="alert">{trouble.reason.sentence(t)}</p> })}
                    <h2 class="unseen">{t.conversation()}</h2>
                    <Greeting model/>
                    {(!begun).then(|| view! { <Starters/> })}
                    {earlier.map(|first| part(&id, first))}
                    {turns}
                    {later.then(|| view! { <p class="part" id="later"><a href=format!("/c/{id}#latest")>{t.end_of_chat()}</a></p> })}
                </div>
            </main>
        </Document>
    }
}

/// The way to what comes before the turns of a page.
fn part(conversation: &str, first: Id) -> impl IntoView + use<> {
    view! {
        <p class="part">
            <a href=format!("/c/{conversation}?before={first}")>{language().earlier_in_chat()}</a>
        </p>
    }
}

#[component]
fn Greeting(model: ModelCard) -> impl IntoView {
    let t = language();
    let bits = bits_a_weight(t, model.weight_bytes, model.parameters);
    view! {
        <article class="greeting" aria-label=t.greeting()>
            <p>
                {t.hello_i_am()}
                <strong>{model.name}</strong>
                {t.running_here(bits)}
            </p>
        </article>
    }
}
