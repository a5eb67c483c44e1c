//! One file for each page, and what is loaded before one is rendered: a page whose first part is on its way cannot wait for
//! a database and then still have another status.

mod about;
mod answer_speed;
mod chats;
mod compare;
mod comparison;
mod conversation;
mod home;
mod models;
mod not_found;
mod offline;
mod sign_in;
mod speed;

pub use about::MEASURE;
pub use comparison::{COMPARED_FOR_MINUTES, COMPARISON_WAITS_MINUTES};
pub use models::fetching_html;

use std::str::FromStr;
use std::sync::Arc;

use crate::chat::{Chat, Leave, ListQuery, Loaded, Notice, SpeedOf, Thread, WorkDone};
use crate::complaint::Complaint;
use crate::domain::{Filter, Id, Metrics};
use crate::paths::{ABOUT, COMPARE, MODELS, SPEED};
use crate::search::CHATS;
use crate::visitor::Visitor;

pub(crate) use about::About;
pub(crate) use answer_speed::AnswerSpeed;
pub(crate) use chats::Chats;
pub(crate) use compare::Compare;
pub(crate) use comparison::ComparisonPage;
pub(crate) use conversation::ConversationPage;
pub(crate) use home::Home;
pub(crate) use models::Models;
pub(crate) use not_found::NotFound;
pub(crate) use offline::Offline;
pub(crate) use sign_in::SignIn;
pub(crate) use speed::Speed;

/// What the page of an address shows; the server provides it in the Leptos context.
pub async fn load(chat: &dyn Chat, visitor: Visitor, path: &str, query: &str) -> Loaded {
    let loaded = Loaded {
        query: ListQuery {
            search: value(query, "q").unwrap_or_default(),
            from: number(query, "from").unwrap_or(0),
        },
        notice: notice(query),
        next: value(query, "next").unwrap_or_default(),
        asked: query.to_owned(),
        ..Loaded::default()
    };
    match filled(chat, visitor, path, query, loaded.clone()).await {
        Ok(loaded) => loaded,
        Err(trouble) => Loaded {
            thread: (path == "/").then(|| Thread::blank(chat.defaults())),
            trouble: Some(trouble),
            ..loaded
        },
    }
}

async fn filled(
    chat: &dyn Chat,
    visitor: Visitor,
    path: &str,
    query: &str,
    mut loaded: Loaded,
) -> Result<Loaded, Complaint> {
    let thread = match path.strip_prefix("/c/").map(str::parse::<Id>) {
        Some(Ok(id)) => match number(query, "at") {
            Some(answer) => chat.open_at(visitor, id, answer).await?,
            None => chat.open(visitor, id, number(query, "before")).await?,
        },
        None if path == "/" => {
            let mut settings = chat.last_settings(visitor).await?;
            if let Some(model) = value(query, "model") {
                // One that is not served is the first, as everywhere.
                let is_other = chat.model(&model).id != chat.model(&settings.model).id;
                match chat.switching(visitor) {
                    Leave::Granted => settings.model = model,
                    leave => loaded.trouble = is_other.then(|| leave.not_switched()),
                }
            }
            Some(Thread::blank(settings))
        }
        None if path == CHATS => {
            let list = chat.list(visitor, &loaded.query).await?;
            return Ok(Loaded { list, ..loaded });
        }
        None if path == ABOUT => {
            let model = value(query, "model").unwrap_or_default();
            return Ok(Loaded {
                // The machine is known without the store.
                last: last_metrics(chat, visitor).await,
                machine: Some(chat.machine().await),
                work: chat.work_done(&model).await,
                ..loaded
            });
        }
        None if path == MODELS => {
            let models = Some(chat.models(visitor).await);
            return Ok(Loaded { models, ..loaded });
        }
        None if path == COMPARE => {
            let comparing = Some(chat.comparing(visitor).await?);
            return Ok(Loaded {
                comparing,
                ..loaded
            });
        }
        None if path.starts_with("/compare/") => {
            let id = path.trim_start_matches("/compare/").parse::<Id>();
            let comparison = match id {
                Ok(id) => chat.comparison(visitor, id).await?,
                Err(_) => None,
            };
            return Ok(Loaded {
                comparison,
                ..loaded
            });
        }
        None if path == SPEED => {
            let speeds = speeds(chat, visitor, path, query).await?;
            let machine = chat.known_machine().await;
            let work = match (machine.read, &speeds.model) {
                (Some(_), Some(model)) => chat.work_done(model).await,
                _ => WorkDone::default(),
            };
            return Ok(Loaded {
                speeds: Some(speeds),
                machine: Some(machine),
                work,
                ..loaded
            });
        }
        None if path.starts_with("/speed/") => {
            let speeds = Some(speeds(chat, visitor, path, query).await?);
            return Ok(Loaded { speeds, ..loaded });
        }
        _ => return Ok(loaded),
    };
    Ok(Loaded {
        thread,
        list: chat.list(visitor, &ListQuery::default()).await?,
        presets: chat.presets(visitor).await?,
        ..loaded
    })
}

/// What the last answer took that the visitor got in a conversation.
async fn last_metrics(chat: &dyn Chat, visitor: Visitor) -> Option<Metrics> {
    let list = chat.list(visitor, &ListQuery::default()).await.ok()?;
    let conversations = list.conversations.into_iter();
    let last = conversations.max_by_key(|conversation| conversation.updated)?;
    let end = chat.end(visitor, last.id).await.ok()??;
    let answers = end.turns.into_iter().rev();
    let mut measured = answers.filter_map(|turn| turn.answer.end?.metrics);
    measured.next()
}

/// What the visitor's answers took, and the one that an address names.
async fn speeds(
    chat: &dyn Chat,
    visitor: Visitor,
    path: &str,
    query: &str,
) -> Result<SpeedOf, Complaint> {
    let named = path.strip_prefix("/speed/").map(str::parse::<Id>);
    let one = match named {
        Some(Ok(id)) => chat.own_answer(visitor, id).await?,
        _ => None,
    };
    let answers = match (&one, &named) {
        (None, Some(_)) => Vec::new(),
        _ => chat.measured(visitor).await?,
    };
    let filter = Filter::of(query);
    let model = match &*filter.model {
        "" => Some(String::new()),
        name => {
            let mut served = chat.served().into_iter();
            served
                .find(|model| model.name == name)
                .map(|model| model.id)
        }
    };
    Ok(SpeedOf {
        answers: Arc::new(answers),
        filter,
        model,
        one,
    })
}

fn notice(query: &str) -> Option<Notice> {
    let hidden = number(query, "hidden").map(Notice::Hidden);
    let deleted = || number(query, "deleted").map(Notice::Deleted);
    let all_deleted = || number(query, "all_deleted").map(Notice::AllDeleted);
    let shared = || value(query, "shared").map(|_| Notice::Shared);
    hidden.or_else(deleted).or_else(all_deleted).or_else(shared)
}

fn value(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned())
}

/// A value that is read from its text.
fn number<T: FromStr>(query: &str, name: &str) -> Option<T> {
    value(query, name)?.parse().ok()
}
