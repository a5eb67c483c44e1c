//! What a person does with questions and answers: forms beside each, which lead back to the conversation.

use leptos::prelude::*;

use super::{Reply, chat, finish, lead, named, refuse, reply};
use crate::chat::{Wanted, WhenFull};
use crate::settings::MessageForm;
use crate::visitor::visitor;

/// Answers a question once more, beside the answer that is there, with the settings that the page shows.
#[server(prefix = "/api", endpoint = "again")]
pub async fn answer_again(
    #[server(default)] answer: String,
    #[server(default)] refused: String,
    #[server(flatten)] form: MessageForm,
) -> Result<Reply, ServerFnError> {
    let chat = chat()?;
    // Its form has the one that was refused before, and the button that was pressed may name another.
    let answer = if answer.is_empty() { refused } else { answer };
    let started = match named(&answer) {
        Ok(answer) => chat.again(visitor(), answer, &form).await,
        Err(complaint) => Err(complaint),
    };
    Ok(reply(started, form, Wanted::Again(answer)))
}

/// Has an answer gone on with that was cut off.
#[server(prefix = "/api", endpoint = "continue")]
pub async fn continue_answer(
    answer: String,
    #[server(default)] when_full: String,
) -> Result<(), ServerFnError> {
    let chat = chat()?;
    let when_full = WhenFull::named(&when_full);
    let started = async { chat.go_on(visitor(), named(&answer)?, when_full).await };
    match started.await {
        Ok(started) => lead(started.conversation.id, "#latest"),
        Err(complaint) => {
            let place = match named(&answer) {
                Ok(answer) => chat.place(visitor(), answer).await,
                Err(_) => None,
            };
            let form = MessageForm {
                conversation: place.map(|id| id.to_string()).unwrap_or_default(),
                ..MessageForm::default()
            };
            refuse(form, complaint, Wanted::More(answer));
        }
    }
    Ok(())
}

/// Asks another question in the place of one.
#[server(prefix = "/api", endpoint = "edit")]
pub async fn edit_question(
    question: String,
    #[server(default)] conversation: String,
    message: String,
    #[server(default)] when_full: String,
) -> Result<Reply, ServerFnError> {
    let chat = chat()?;
    let when_full = WhenFull::named(&when_full);
    let started = match named(&question) {
        Ok(question) => chat.edit(visitor(), question, &message, when_full).await,
        Err(complaint) => Err(complaint),
    };
    let form = MessageForm {
        conversation,
        message,
        ..MessageForm::default()
    };
    Ok(reply(started, form, Wanted::Instead(question)))
}

/// Begins a conversation with a copy of this one up to an answer.
#[server(prefix = "/api", endpoint = "branch")]
pub async fn branch_off(answer: String) -> Result<(), ServerFnError> {
    let chat = chat()?;
    let done = async { chat.branch(visitor(), named(&answer)?).await };
    finish(done.await, "#latest");
    Ok(())
}

/// Shows the branch that a message is on.
#[server(prefix = "/api", endpoint = "choose")]
pub async fn show_branch(message: String) -> Result<(), ServerFnError> {
    let chat = chat()?;
    let done = async { chat.show(visitor(), named(&message)?).await };
    finish(done.await, &format!("#m-{message}"));
    Ok(())
}

/// Hides a question and all that follows it; the page that it leads to offers to have it back.
#[server(prefix = "/api", endpoint = "hide")]
pub async fn hide_question(question: String) -> Result<(), ServerFnError> {
    let chat = chat()?;
    let done = async { chat.hide(visitor(), named(&question)?, true).await };
    finish(done.await, &format!("?hidden={question}#latest"));
    Ok(())
}

/// Has a hidden question back.
#[server(prefix = "/api", endpoint = "unhide")]
pub async fn unhide_question(question: String) -> Result<(), ServerFnError> {
    let chat = chat()?;
    let done = async { chat.hide(visitor(), named(&question)?, false).await };
    finish(done.await, "#latest");
    Ok(())
}
