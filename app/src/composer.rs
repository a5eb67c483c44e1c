//! The form for the next message. It stands before the conversation in the document, because a page that streams an
//! answer has not sent what follows it; the style sheet puts it at the bottom.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::{CheckMessage, SendMessage, StopAnswer};
use crate::chat::Outlook;
use crate::chat_header::icon;
use crate::complaint::{Complaint, ComplaintKind};
use crate::settings::MessageForm;
use crate::visitor::language;

/// Message, files, Send and, while an answer runs, Stop. The settings of the sidebar are fields of the same form.
#[component]
pub(crate) fn Composer(
    form: MessageForm,
    complaint: Option<Complaint>,
    /// What the message comes to, where that was asked.
    outlook: Option<Outlook>,
    /// What the model can read, in tokens.
    context: usize,
    /// The run that writes an answer now; empty for none.
    running: String,
    /// What is said of the model's context, and the ways on where that is full.
    memory: AnyView,
    choice: Option<AnyView>,
) -> impl IntoView {
    let t = language();
    let blamed = |field| {
        let kind = complaint.as_ref().map(|complaint| complaint.kind);
        (kind == Some(ComplaintKind::Field(field))).then_some("true")
    };
    let (message, files) = (blamed("message"), blamed("files"));
    let answering = !running.is_empty();
    let stop = ServerAction::<StopAnswer>::new();
    let send = ServerAction::<SendMessage>::new();
    view! {
        <div class="dock">
            <ActionForm action=stop attr:id="stop">
                <input type="hidden" name="run" value=running autocomplete="off"/>
            </ActionForm>
            <News complaint choice answering/>
            {memory}
            // Its settings may be out of sight, where a browser could not say what is wrong with them: the server does.
            <ActionForm action=send attr:id="composer" attr:enctype="multipart/form-data" attr:novalidate=true>
                <input type="hidden" name="conversation" value=form.conversation autocomplete="off"/>
                <ul id="chosen" aria-label=t.files_of_message()></ul>
                <label for="message" class="unseen">{t.message()}</label>
                <textarea
                    id="message"
                    name="message"
                    rows="1"
                    dir="auto"
                    placeholder=t.ask_something()
                    aria-describedby="hint outlook complaint"
                    aria-invalid=message
                >
                    {initial(&form.message)}
                </textarea>
                <label class="attach">
                    {icon("M12.5 7.5 7.6 12.4a2.6 2.6 0 0 1-3.7-3.7l5.2-5.2a1.7 1.7 0 0 1 2.4 2.4L6.4 11")}
                    <span class="unseen">{t.attach_files()}</span>
                    <input
                        type="file"
                        name="files"
                        multiple
                        autocomplete="off"
                        aria-describedby="complaint"
                        aria-invalid=files
                        data-context=context.to_string()
                    />
                </label>
                <button
                    type="submit"
                    class="check unscripted"
                    formaction=CheckMessage::PATH
                    formnovalidate
                >
                    {t.check()}
                </button>
                <button type="submit" class="send">{t.send()}</button>
                <button type="submit" class="stop" form="stop">{t.stop()}</button>
            </ActionForm>
            <p id="outlook">{outlook.map(|outlook| outlook.told(t))}</p>
            <p id="hint">
                <span class="keys">{t.enter_sends()}</span>
                {t.models_err()}
                <button type="button" class="keys" popovertarget="keys">{t.keys()}</button>
            </p>
            <Keys/>
        </div>
    }
    .into_any()
}

/// What is wrong with the last message, what an answer is at for whoever cannot see it, and the way to its end.
#[component]
fn News(complaint: Option<Complaint>, choice: Option<AnyView>, answering: bool) -> impl IntoView {
    let t = language();
    let reason = complaint
        .as_ref()
        .map(|complaint| complaint.reason.sentence(t));
    let elsewhere = complaint.is_some_and(
        |complaint| matches!(complaint.kind, ComplaintKind::Field(name) if !["message", "files"].contains(&name)),
    );
    let settings = elsewhere.then(|| {
        view! { <button type="button" class="open" popovertarget="sidebar">{t.open_settings()}</button> }
    });
    view! {
        <div class="news">
            <p id="complaint" role="alert">{reason}</p>
            <div id="choice" class="ways">{choice}</div>
            {settings}
            <p id="status" class="unseen" role="status">{answering.then_some(t.model_is_answering())}</p>
            <button type="button" id="jump" hidden>{t.jump_to_latest()}</button>
        </div>
    }
}

/// What keys do, which is nothing without scripts.
#[component]
fn Keys() -> impl IntoView {
    let t = language();
    let keys = [
        ("Enter", t.key_sends()),
        ("Shift+Enter", t.key_breaks()),
        ("↑", t.key_edits()),
        ("Escape", t.key_stops()),
        ("Ctrl+Shift+O", t.key_begins()),
        ("?", t.key_lists()),
    ];
    let rows = keys.map(|(keys, act)| {
        let keys = keys.split('+').map(|key| view! { <kbd>{key}</kbd> });
        view! { <div><dt>{keys.collect_view()}</dt><dd>{act}</dd></div> }
    });
    view! {
        <div id="keys" popover="auto" role="dialog" aria-labelledby="keys-heading">
            <h2 id="keys-heading">{t.keys()}</h2>
            <dl>{rows.collect_view()}</dl>
            <button type="button" popovertarget="keys" popovertargetaction="hide">{t.close()}</button>
        </div>
    }
    .into_any()
}

/// HTML drops one line break at the start of a `textarea`.
fn initial(message: &str) -> String {
    if message.starts_with('\n') {
        format!("\n{message}")
    } else {
        message.to_owned()
    }
}
