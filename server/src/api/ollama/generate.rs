//! `POST /api/generate`: a question, laid out by the chat template unless it is `raw`.

use axum::extract::{Request, State};
use axum::response::Response;
use nibble_engine::{Message, Prompt, Role};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::{AnswerForm, Place};
use super::fields::AnswerFields;
use super::messages::refuse_images;
use crate::api::asker::Asker;
use crate::api::fields::refuse_unknown;
use crate::api::openapi::Schemas;
use crate::api::reply::{Asked, reply};
use crate::api::stages::{Stages, stage};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::state::AppState;

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaGenerateRequest)]
#[serde(expecting = "an object")]
struct Wire {
    #[serde(default)]
    prompt: String,
    system: Option<String>,
    raw: Option<bool>,
    images: Option<Vec<Value>>,
    template: Option<String>,
    context: Option<Vec<Value>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(Wire);

type Fields = (Wire, AnswerFields);

pub(in crate::api) async fn generate(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    request: Request,
) -> Result<Response, ApiError> {
    reply(&state, caller, request, read).await
}

/// What [`read`] reads.
pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    Fields::schema(schemas)
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<AnswerForm>, ApiError> {
    let ((wire, answer), others) = Fields::read(body, "a request to generate")?;
    refuse_unknown(&others, &[])?;
    let is_empty = wire.prompt.is_empty();
    let prompt = wire.prompt()?;
    if is_empty {
        return answer.nothing(Place::Response, asker);
    }
    Ok(Asked {
        more: None,
        stream: answer.stream(),
        requests: vec![answer.request(prompt, asker)?],
        form: AnswerForm {
            model: asker.info().id.clone(),
            place: Place::Response,
            nothing: None,
        },
    })
}

impl Wire {
    fn prompt(self) -> Result<Prompt, ApiError> {
        refuse_images(self.images.as_ref(), "images")?;
        let has_template = self.template.is_some_and(|template| !template.is_empty());
        let has_context = self.context.is_some_and(|context| !context.is_empty());
        let refused = [("template", has_template), ("context", has_context)];
        if let Some((field, _)) = refused.into_iter().find(|(_, is_there)| *is_there) {
            let message = format!(
                "`{field}` is not supported: `/api/chat` takes whole conversations, and the template is the model's"
            );
            return Err(ApiError::invalid_field(field, message));
        }
        let system = self.system.filter(|system| !system.is_empty());
        if self.raw == Some(true) {
            return match system {
                None => Ok(Prompt::Raw(self.prompt)),
                Some(_) => Err(ApiError::invalid_field(
                    "system",
                    "`system` must be empty where the prompt is `raw`, which is read as it is",
                )),
            };
        }
        let said = |role| move |content| Message { role, content };
        let messages = system.map(said(Role::System)).into_iter();
        let messages = messages.chain([said(Role::User)(self.prompt)]);
        Ok(Prompt::Chat(messages.collect::<Vec<_>>().into()))
    }
}
