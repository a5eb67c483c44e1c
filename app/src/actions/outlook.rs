//! Checks a message before it is sent: a button of the composer, and what its script asks as somebody types.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Attached, chat, foresee, refuse};
use crate::chat::Wanted;
use crate::settings::MessageForm;
use crate::visitor::visitor;

/// What a script learns about a message that is not sent yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What it comes to, or why it could not be sent.
    pub words: String,
}

/// Says what a message comes to with its conversation, and what its answer may take.
#[server(prefix = "/api", endpoint = "check")]
pub async fn check_message(
    #[server(flatten)] form: MessageForm,
    #[server(default)] more: String,
) -> Result<Checked, ServerFnError> {
    let attached = use_context::<Attached>();
    let files = attached.map_or(Ok(Vec::new()), |Attached(files)| files);
    let more = more.parse().unwrap_or_default();
    let outlook = match files {
        Ok(files) => chat()?.outlook(visitor(), &form, files, more).await,
        Err(complaint) => Err(complaint),
    };
    let t = visitor().language;
    Ok(match outlook {
        Ok(outlook) => {
            foresee(form, outlook);
            Checked {
                words: outlook.told(t),
            }
        }
        Err(complaint) => {
            let words = complaint.reason.told(t).to_owned();
            refuse(form, complaint, Wanted::Answer);
            Checked { words }
        }
    })
}
