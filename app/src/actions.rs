//! What a person can do: the forms of the page, which work without JavaScript.
//!
//! A form post is answered by a redirect to the conversation; a call that asks for JSON by a [`Reply`]. A message that
//! is refused is kept nowhere: the page of a script still has it, and a form post is answered by the page with all that
//! was typed, for which it is put where the server finds it, in [`Unsent`]. So is one that another button of its form left
//! unsent.

#![allow(
    missing_docs,
    reason = "the fields of the structs that `server` generates are those of the forms"
)]

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use http::header::RETRY_AFTER;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};

mod branches;
mod conversations;
mod outlook;
mod presets;

pub use self::branches::{
    AnswerAgain, BranchOff, ContinueAnswer, EditQuestion, HideQuestion, ShowBranch, UnhideQuestion,
};
pub use self::conversations::{
    DeleteAllChats, DeleteChat, PinChat, RenameChat, RestoreAllChats, RestoreChat, ShareChat,
};
pub use self::outlook::{CheckMessage, Checked};
pub use self::presets::{DeletePreset, SavePreset, UsePreset};
use crate::answer::turn_html;
use crate::chat::{Attachment, Draft, Id, Outlook, SharedChat, Started, Wanted};
use crate::choice::choice_html;
use crate::complaint::{Complaint, ComplaintKind};
use crate::settings::MessageForm;
use crate::starters;
use crate::visitor::visitor;

/// What a script learns about a message that it sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Reply {
    /// The model is set to it.
    Started {
        /// The conversation, perhaps new.
        conversation: String,
        /// Its title.
        title: String,
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
        /// The ways on, as HTML, where there are some to choose from.
        choice: Option<String>,
    },
}

/// The files that came with a form, as far as they can be read, for the server that provides this in the context of the call.
#[derive(Clone, Debug)]
pub struct Attached(pub Result<Vec<Attachment>, Complaint>);

impl Attached {
    fn has_files(&self) -> bool {
        self.0.as_ref().map_or(true, |files| !files.is_empty())
    }
}

/// What was typed in a form and is not sent yet, for the server that provides this in the context of the call: the page that
/// answers shows it.
#[derive(Clone, Debug, Default)]
pub struct Unsent(Arc<Mutex<Option<Draft>>>);

impl Unsent {
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
pub async fn send_message(
    #[server(flatten)] form: MessageForm,
    #[server(default)] starter: String,
) -> Result<Reply, ServerFnError> {
    let form = MessageForm {
        message: starters::question(visitor().language, form.message, &starter),
        ..form
    };
    // A starter is asked whatever else was put into the form.
    let attached = use_context::<Attached>().filter(|_| starter.is_empty());
    let chat = chat()?;
    let started = match attached.map_or(Ok(Vec::new()), |Attached(files)| files) {
        Ok(files) => chat.send(visitor(), &form, files).await,
        Err(complaint) => Err(complaint),
    };
    Ok(reply(started, form, Wanted::Answer))
}

/// Ends a running answer early; what is written stays.
#[server(prefix = "/api", endpoint = "stop")]
pub async fn stop_answer(run: String) -> Result<(), ServerFnError> {
    let chat = chat()?;
    let stopped = match named(&run) {
        Ok(run) => chat.stop(visitor(), run).await,
        Err(_) => None,
    };
    match stopped {
        Some(conversation) => lead(conversation, "#latest"),
        None => {
            set_status(404);
            leptos_axum::redirect("/");
        }
    }
    Ok(())
}

/// Goes to where a conversation begins, with the settings of the form.
#[server(prefix = "/api", endpoint = "reset")]
pub async fn reset_chat(#[server(flatten)] form: MessageForm) -> Result<(), ServerFnError> {
    chat()?.reset(visitor(), &form).await;
    leptos_axum::redirect("/");
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

/// What came of a message; a form post is led to its answer.
fn reply(started: Result<Started, Complaint>, form: MessageForm, wanted: Wanted) -> Reply {
    match started {
        Ok(Started { conversation, turn }) => {
            lead(conversation.id, "#latest");
            Reply::Started {
                title: conversation.title,
                conversation: conversation.id.to_string(),
                run: turn.answer.id.to_string(),
                html: turn_html(visitor().language, &turn, conversation.id),
            }
        }
        Err(complaint) => {
            let is_gone = complaint.kind == ComplaintKind::Gone;
            let reply = Reply::Refused {
                conversation: if is_gone {
                    String::new()
                } else {
                    form.conversation.clone()
                },
                field: match complaint.kind {
                    ComplaintKind::Field(name) => Some(name.to_owned()),
                    _ => None,
                },
                reason: complaint.reason.told(visitor().language).to_owned(),
                choice: (complaint.kind == ComplaintKind::Full)
                    .then(|| choice_html(visitor().language, &wanted, &form)),
            };
            refuse(form, complaint, wanted);
            reply
        }
    }
}

/// What came of anything else: leads to the conversation, or shows why not.
fn finish(done: Result<Id, Complaint>, suffix: &str) {
    match done {
        Ok(conversation) => lead(conversation, suffix),
        Err(complaint) => refuse(MessageForm::default(), complaint, Wanted::default()),
    }
}

/// Answers with a complaint, and keeps the form where the server finds it.
fn refuse(mut form: MessageForm, complaint: Complaint, wanted: Wanted) {
    if complaint.kind == ComplaintKind::Gone {
        form.conversation.clear();
    }
    set_status(complaint.kind.status());
    if let (Some(options), Some(seconds)) = (
        use_context::<ResponseOptions>(),
        complaint.kind.retry_after_s(),
    ) {
        options.insert_header(RETRY_AFTER, seconds.into());
    }
    let complaint = match use_context::<Attached>() {
        Some(attached) if attached.has_files() => complaint.without_files(),
        _ => complaint,
    };
    keep(form, Some(complaint), wanted);
}

/// Keeps a form where the server finds it.
fn keep(form: MessageForm, complaint: Option<Complaint>, wanted: Wanted) {
    if let Some(unsent) = use_context::<Unsent>() {
        unsent.put(Draft {
            form,
            complaint,
            wanted,
            outlook: None,
        });
    }
}

/// Keeps a form where the server finds it, with what it comes to.
fn foresee(form: MessageForm, outlook: Outlook) {
    if let Some(unsent) = use_context::<Unsent>() {
        unsent.put(Draft {
            form,
            complaint: None,
            wanted: Wanted::default(),
            outlook: Some(outlook),
        });
    }
}

fn chat() -> Result<SharedChat, ServerFnError> {
    use_context::<SharedChat>().ok_or_else(|| ServerFnError::new("no chat is provided"))
}

/// A name that a form holds.
fn named(text: &str) -> Result<Id, Complaint> {
    text.parse().map_err(|_| Complaint::gone())
}

fn lead(conversation: Id, suffix: &str) {
    leptos_axum::redirect(&format!("/c/{conversation}{suffix}"));
}
