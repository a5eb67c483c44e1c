//! What a person does with settings under names: buttons of the form that holds the settings.

use leptos::prelude::*;

use super::{chat, keep, lead, refuse};
use crate::chat::Wanted;
use crate::complaint::Complaint;
use crate::settings::MessageForm;
use crate::visitor::visitor;

/// Keeps the settings of the form under a name.
#[server(prefix = "/api", endpoint = "save_preset")]
pub async fn save_preset(
    #[server(flatten)] form: MessageForm,
    #[server(default)] preset_name: String,
) -> Result<(), ServerFnError> {
    let done = chat()?.save_preset(visitor(), &form, &preset_name).await;
    back(done, form);
    Ok(())
}

/// Has a preset hold in the form's conversation.
#[server(prefix = "/api", endpoint = "use_preset")]
pub async fn use_preset(
    #[server(flatten)] form: MessageForm,
    #[server(default)] preset: String,
) -> Result<(), ServerFnError> {
    let done = chat()?.use_preset(visitor(), &form, &preset).await;
    let form = match done {
        // Its settings hold now, and not those of the fields.
        Ok(()) => MessageForm {
            conversation: form.conversation,
            message: form.message,
            ..MessageForm::default()
        },
        Err(_) => form,
    };
    back(done, form);
    Ok(())
}

/// Forgets a preset.
#[server(prefix = "/api", endpoint = "delete_preset")]
pub async fn delete_preset(
    #[server(flatten)] form: MessageForm,
    #[server(default)] preset: String,
) -> Result<(), ServerFnError> {
    let done = chat()?.delete_preset(visitor(), &preset).await;
    back(done, form);
    Ok(())
}

/// To where the form was, with all that is typed there.
fn back(done: Result<(), Complaint>, form: MessageForm) {
    match (done, form.conversation.parse()) {
        (Err(complaint), _) => return refuse(form, complaint, Wanted::default()),
        (Ok(()), Ok(conversation)) => lead(conversation, ""),
        (Ok(()), Err(_)) => leptos_axum::redirect("/"),
    }
    keep(form, None, Wanted::default());
}
