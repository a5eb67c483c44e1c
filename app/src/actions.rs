//! What a person can do: the forms of the page, which work without JavaScript.
//!
//! A form post is answered by a redirect to the conversation; a call that asks for JSON by a [`Reply`]. A message that
//! is refused is kept nowhere: the page of a script still has it, and a form post is answered by the page with all that
//! was typed, for which it is put where the server finds it, in [`RefusedMessage`].

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use http::header::RETRY_AFTER;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};

use crate::answer::turn_html;
use crate::chat::{Draft, SharedChat, Started, Visitor};
use crate::complaint::ComplaintKind;
use crate::settings::MessageForm;

/// What a script learns about a message that it sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Reply {
    /// The model is set to it.
    Started {
        /// The conversation, perhaps new.
        conversation: String,
        /// Its title.
        title: Option<String>,
        /// The run that writes the answer.
        run: String,
        /// The question and the place of its answer, as HTML.
        html: String,
    },
    /// The message was not taken.
    Refused {
        /// The conversation that it may be sent to again; empty for a new one.
        conversation: String,
        /// The field to blame, if any.
        field: Option<String>,
        /// Why.
        reason: String,
    },
}

/// The message that `send_message` refused, for the server that provides this in the context of the call.
#[derive(Clone, Debug, Default)]
pub struct RefusedMessage(Arc<Mutex<Option<Draft>>>);

impl RefusedMessage {
    /// What was put here, if anything.
    #[must_use]
    pub fn take(&self) -> Option<Draft> {
        let mut draft = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        draft.take()
    }

    fn put(&self, draft: Draft) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
    }
}

/// Sends a message to the model.
#[server(prefix = "/api", endpoint = "send")]
#[allow(
    missing_docs,
    reason = "the fields of the generated struct are those of `MessageForm`"
)]
pub async fn send_message(
    #[server(default)] conversation: String,
    message: String,
    temperature: String,
    max_tokens: String,
    system_prompt: String,
    usd_per_hour: String,
) -> Result<Reply, ServerFnError> {
    let mut form = MessageForm {
        conversation,
        message,
        temperature,
        max_tokens,
        system_prompt,
        usd_per_hour,
    };
    let chat = chat()?;
    let visitor = use_context::<Visitor>().unwrap_or_default();
    match chat.send(&form, visitor).await {
        Ok(Started { conversation, turn }) => {
            redirect(&conversation, "#latest");
            let begun = chat.conversation(&conversation);
            Ok(Reply::Started {
                title: begun.and_then(|begun| begun.title()),
                conversation,
                run: turn.answer.run.clone(),
                html: turn_html(&turn),
            })
        }
        Err(complaint) => {
            let field = match complaint.kind {
                ComplaintKind::Field(name) => Some(name.to_owned()),
                _ => None,
            };
            if chat.conversation(&form.conversation).is_none() {
                form.conversation.clear();
            }
            set_status(complaint.kind.status());
            set_retry_after(complaint.kind);
            let reply = Reply::Refused {
                conversation: form.conversation.clone(),
                field,
                reason: complaint.reason.clone(),
            };
            if let Some(refused) = use_context::<RefusedMessage>() {
                refused.put(Draft { form, complaint });
            }
            Ok(reply)
        }
    }
}

/// Ends a running answer early; what is written stays.
#[server(prefix = "/api", endpoint = "stop")]
#[allow(
    missing_docs,
    reason = "the one field of the generated struct is the run"
)]
pub async fn stop_answer(run: String) -> Result<(), ServerFnError> {
    match chat()?.stop(&run) {
        Some(conversation) => redirect(&conversation, "#latest"),
        None => {
            set_status(404);
            leptos_axum::redirect("/");
        }
    }
    Ok(())
}

/// Begins an empty conversation with the settings of the form, or of this conversation where the form's make no sense.
#[server(prefix = "/api", endpoint = "reset")]
#[allow(
    missing_docs,
    reason = "the fields of the generated struct are those of `MessageForm`"
)]
pub async fn reset_chat(
    #[server(default)] conversation: String,
    #[server(default)] temperature: String,
    #[server(default)] max_tokens: String,
    #[server(default)] system_prompt: String,
    #[server(default)] usd_per_hour: String,
) -> Result<(), ServerFnError> {
    let form = MessageForm {
        conversation,
        message: String::new(),
        temperature,
        max_tokens,
        system_prompt,
        usd_per_hour,
    };
    match chat()?.reset(&form) {
        Some(conversation) => redirect(&conversation, ""),
        None => leptos_axum::redirect("/"),
    }
    Ok(())
}

pub(crate) fn set_status(status: u16) {
    if let (Some(options), Ok(status)) = (
        use_context::<ResponseOptions>(),
        StatusCode::from_u16(status),
    ) {
        options.set_status(status);
    }
}

fn set_retry_after(kind: ComplaintKind) {
    if let (Some(options), Some(seconds)) = (use_context::<ResponseOptions>(), kind.retry_after_s())
    {
        options.insert_header(RETRY_AFTER, seconds.into());
    }
}

fn chat() -> Result<SharedChat, ServerFnError> {
    use_context::<SharedChat>().ok_or_else(|| ServerFnError::new("no chat is provided"))
}

/// Only to names that the server made: others could break the header.
fn redirect(conversation: &str, fragment: &str) {
    leptos_axum::redirect(&format!("/c/{conversation}{fragment}"));
}
