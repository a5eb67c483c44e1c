//! What a person does with whole conversations: forms of the list.

use leptos::prelude::*;

use super::{chat, finish, named, refuse};
use crate::chat::{Change, Id, Wanted};
use crate::complaint::Complaint;
use crate::domain::TITLE_CHARACTERS;
use crate::search::CHATS;
use crate::settings::MessageForm;
use crate::visitor::visitor;

/// Calls a conversation something else.
#[server(prefix = "/api", endpoint = "rename")]
pub async fn rename_chat(conversation: String, title: String) -> Result<(), ServerFnError> {
    let words: Vec<_> = title.split_whitespace().collect();
    let title: String = words.join(" ").replace('\0', "\u{fffd}");
    let title: String = title.chars().take(TITLE_CHARACTERS).collect();
    if title.is_empty() {
        finish(named(&conversation), "");
        return Ok(());
    }
    change(&conversation, Change::Rename(title)).await
}

/// Puts a conversation before the others, or back among them.
#[server(prefix = "/api", endpoint = "pin")]
pub async fn pin_chat(conversation: String, pinned: bool) -> Result<(), ServerFnError> {
    change(&conversation, Change::Pin(pinned)).await
}

/// Lets whoever has its address read a conversation, or no longer.
#[server(prefix = "/api", endpoint = "share")]
pub async fn share_chat(conversation: String, shared: bool) -> Result<(), ServerFnError> {
    let changed = changed(&conversation, Change::Share(shared)).await?;
    finish(changed, if shared { "?shared" } else { "" });
    Ok(())
}

/// Deletes a conversation; the page that it leads to offers to have it back.
#[server(prefix = "/api", endpoint = "delete")]
pub async fn delete_chat(conversation: String) -> Result<(), ServerFnError> {
    match changed(&conversation, Change::Delete).await? {
        Ok(id) => leptos_axum::redirect(&format!("/?deleted={id}")),
        Err(complaint) => refuse(MessageForm::default(), complaint, Wanted::default()),
    }
    Ok(())
}

/// Has a deleted conversation back.
#[server(prefix = "/api", endpoint = "restore")]
pub async fn restore_chat(conversation: String) -> Result<(), ServerFnError> {
    change(&conversation, Change::Restore).await
}

/// Deletes all conversations of this visitor; the page that it leads to offers to have them back.
#[server(prefix = "/api", endpoint = "delete_all")]
pub async fn delete_all_chats() -> Result<(), ServerFnError> {
    match chat()?.delete_all(visitor()).await {
        Ok(at) => leptos_axum::redirect(&format!("/?all_deleted={at}")),
        Err(complaint) => refuse(MessageForm::default(), complaint, Wanted::default()),
    }
    Ok(())
}

/// Has all conversations back that were deleted at a time.
#[server(prefix = "/api", endpoint = "restore_all")]
pub async fn restore_all_chats(at: i64) -> Result<(), ServerFnError> {
    match chat()?.restore_all(visitor(), at).await {
        Ok(_) => leptos_axum::redirect(CHATS),
        Err(complaint) => refuse(MessageForm::default(), complaint, Wanted::default()),
    }
    Ok(())
}

async fn change(conversation: &str, change: Change) -> Result<(), ServerFnError> {
    finish(changed(conversation, change).await?, "");
    Ok(())
}

async fn changed(
    conversation: &str,
    change: Change,
) -> Result<Result<Id, Complaint>, ServerFnError> {
    let chat = chat()?;
    let done = async {
        let id = named(conversation)?;
        let is_there = chat.change(visitor(), id, change).await?;
        is_there.then_some(id).ok_or_else(Complaint::gone)
    };
    Ok(done.await)
}
