//! What can be done with a conversation as a whole: small forms, which need no script.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::{
    DeleteChat, PinChat, RenameChat, RestoreAllChats, RestoreChat, ShareChat, UnhideQuestion,
};
use crate::button::post_button;
use crate::chat::{Conversation, Notice};
use crate::visitor::language;

/// Rename, pin, share, export and delete.
#[component]
pub(crate) fn ChatActs(conversation: Conversation) -> impl IntoView {
    let t = language();
    let id = conversation.id.to_string();
    let Conversation {
        title,
        pinned,
        shared,
        ..
    } = conversation;
    view! {
        <div class="chat-acts">
            <form method="post" action=RenameChat::PATH class="rename">
                <input type="hidden" name="conversation" value=id.clone()/>
                <input type="text" name="title" value=title dir="auto" maxlength="60" required aria-label=t.title()/>
                <button type="submit">{t.rename()}</button>
            </form>
            {toggle(PinChat::PATH, &id, "pinned", pinned, [t.pin(), t.unpin()])}
            {toggle(ShareChat::PATH, &id, "shared", shared, [t.share_by_link(), t.stop_sharing()])}
            {exports(&id)}
            {post_button(DeleteChat::PATH, "conversation", id, t.delete())}
        </div>
    }
    .into_any()
}

/// The ways to the files of a conversation.
fn exports(conversation: &str) -> impl IntoView + use<> {
    let t = language();
    let files = [("md", "Markdown"), ("html", "HTML"), ("json", "JSON")].map(|(ending, name)| {
        view! {
            <a class="button" href=format!("/c/{conversation}/export.{ending}") download="">{name}</a>
        }
    });
    view! {
        <div class="exports" role="group" aria-label=t.export()>
            <span>{t.export()}</span>
            {files.collect_view()}
        </div>
    }
}

/// A button that says what pressing it does.
fn toggle(
    path: &'static str,
    conversation: &str,
    name: &'static str,
    on: bool,
    words: [&'static str; 2],
) -> impl IntoView + use<> {
    view! {
        <form method="post" action=path>
            <input type="hidden" name="conversation" value=conversation.to_owned()/>
            <button name=name value=(!on).to_string()>{words[usize::from(on)]}</button>
        </form>
    }
}

/// What was done a moment ago, with a way back where it takes something away.
#[component]
pub(crate) fn NoticeView(notice: Notice) -> impl IntoView {
    let t = language();
    match notice {
        Notice::Hidden(question) => undo(
            t.question_deleted(),
            UnhideQuestion::PATH,
            "question",
            question.to_string(),
        ),
        Notice::Deleted(conversation) => undo(
            t.chat_deleted(),
            RestoreChat::PATH,
            "conversation",
            conversation.to_string(),
        ),
        Notice::AllDeleted(at) => undo(
            t.all_chats_deleted(),
            RestoreAllChats::PATH,
            "at",
            at.to_string(),
        ),
        Notice::Shared => {
            view! { <p class="notice" role="status">{t.chat_shared()}</p> }.into_any()
        }
    }
}

fn undo(words: &'static str, path: &'static str, name: &'static str, what: String) -> AnyView {
    let t = language();
    view! {
        <form method="post" action=path class="notice" role="status">
            {words}
            <button name=name value=what>{t.undo()}</button>
            <span class="note">{t.undo_for_a_while()}</span>
        </form>
    }
    .into_any()
}
