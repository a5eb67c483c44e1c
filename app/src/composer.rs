//! The form for the next message. It stands before the conversation in the document, because a page that streams an
//! answer has not sent what follows it; the style sheet puts it at the bottom.

use leptos::form::ActionForm;
use leptos::prelude::*;

use crate::actions::{SendMessage, StopAnswer};
use crate::complaint::{Complaint, ComplaintKind};
use crate::settings::MessageForm;

/// Message, Send and, while an answer runs, Stop. The settings of the sidebar are fields of the same form.
#[component]
pub(crate) fn Composer(
    form: MessageForm,
    complaint: Option<Complaint>,
    /// The run that writes an answer now; empty for none.
    running: String,
    /// Whether typing is what the person most likely wants to do first.
    autofocus: bool,
) -> impl IntoView {
    let invalid = complaint
        .as_ref()
        .is_some_and(|complaint| complaint.kind == ComplaintKind::Field("message"));
    let reason = complaint.map(|complaint| sentence(&complaint.reason));
    let status = if running.is_empty() {
        ""
    } else {
        "The model is answering."
    };
    let stop = ServerAction::<StopAnswer>::new();
    let send = ServerAction::<SendMessage>::new();
    view! {
        <div class="dock">
            <ActionForm action=stop attr:id="stop">
                <input type="hidden" name="run" value=running autocomplete="off"/>
            </ActionForm>
            <div class="news">
                <p id="complaint" role="alert">{reason}</p>
                <p id="status" role="status">{status}</p>
                <span id="clock" aria-hidden="true"></span>
            </div>
            // Its settings may be out of sight, where a browser could not say what is wrong with them: the server does.
            <ActionForm action=send attr:id="composer" attr:novalidate=true>
                <input type="hidden" name="conversation" value=form.conversation autocomplete="off"/>
                <label for="message" class="unseen">"Message"</label>
                <textarea
                    id="message"
                    name="message"
                    rows="1"
                    dir="auto"
                    required
                    autofocus=autofocus
                    placeholder="Ask something"
                    aria-describedby="hint complaint"
                    aria-invalid=invalid.then_some("true")
                >
                    {initial(&form.message)}
                </textarea>
                <button type="submit" class="send">"Send"</button>
                <button type="submit" class="stop" form="stop">"Stop"</button>
            </ActionForm>
            <p id="hint">
                <span class="keys">"Enter sends, Shift+Enter breaks the line. "</span>
                "Models make mistakes: check what matters."
            </p>
        </div>
    }
}

/// HTML drops one line break at the start of a `textarea`.
fn initial(message: &str) -> String {
    if message.starts_with('\n') {
        format!("\n{message}")
    } else {
        message.to_owned()
    }
}

/// A reason, written like an error, as a sentence for people.
fn sentence(reason: &str) -> String {
    let mut characters = reason.chars();
    let first: String = characters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", characters.as_str())
}
