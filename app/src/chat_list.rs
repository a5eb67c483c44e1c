//! The conversations of a person, by day, in the sidebar.

use leptos::prelude::*;

use crate::chat::{Chat, Conversation, Id, ListQuery};
use crate::chat_header::ChatMenu;
use crate::complaint::Complaint;
use crate::day::day;
use crate::figures::usd;
use crate::language::Language;
use crate::memory::{Memory, memory_parts};
use crate::search::{CHATS, Search};
use crate::visitor::Visitor;
use crate::visitor::language;

/// A conversation as the list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedChat {
    /// Its name in addresses.
    pub id: String,
    /// Its first words.
    pub title: String,
    /// The day of its last answer, in words.
    pub day: String,
    /// What its answers cost.
    pub usd: f64,
    /// Whether the page shows it.
    pub current: bool,
    /// Whether it stands above the days.
    pub pinned: bool,
}

impl ListedChat {
    fn heading(&self, t: Language) -> &str {
        if self.pinned {
            t.pinned_chats()
        } else {
            &self.day
        }
    }
}

/// Conversations as the list shows them.
pub(crate) fn listed(
    t: Language,
    conversations: Vec<Conversation>,
    current: Option<Id>,
) -> Vec<ListedChat> {
    let chats = conversations.into_iter().map(|conversation| ListedChat {
        id: conversation.id.to_string(),
        title: conversation.title,
        day: day(t, conversation.updated),
        usd: conversation.usd,
        current: current == Some(conversation.id),
        pinned: conversation.pinned,
    });
    chats.collect()
}

/// The list, the menu of the current one and what it takes of the model's context, for a page whose conversation has begun or
/// gone on.
///
/// # Errors
/// When conversations cannot be read.
pub async fn list_html(
    chat: &dyn Chat,
    visitor: Visitor,
    current: Option<Id>,
) -> Result<String, Complaint> {
    let list = chat.list(visitor, &ListQuery::default()).await?;
    let mut conversations = list.conversations.iter();
    let conversation = conversations.find(|listed| current == Some(listed.id));
    let conversation = conversation.cloned();
    let chats = listed(visitor.language, list.conversations, current);
    let thread = match current {
        Some(id) => chat.end(visitor, id).await?,
        None => None,
    };
    let thread = thread.filter(|thread| thread.own);
    let memory =
        thread.map(|thread| Memory::of(&thread, chat.model(&thread.settings.model).context));
    let parts = || {
        provide_context(visitor);
        let memory = memory.map(memory_parts);
        view! { <ChatList chats/> <ChatMenu conversation/> {memory} }.to_html()
    };
    Ok(Owner::new().with(parts))
}

/// The list, newest first as it comes, pinned ones before all; nothing at all where there are none.
#[component]
pub(crate) fn ChatList(mut chats: Vec<ListedChat>) -> impl IntoView {
    let t = language();
    chats.sort_by_key(|chat| !chat.pinned);
    let groups = chats.chunk_by(|one, next| one.heading(t) == next.heading(t));
    let groups = groups.map(|chats| group(t, chats)).collect_view();
    let shown = (!chats.is_empty()).then(|| {
        view! {
            <Search search=String::new()/>
            <nav class="chats" aria-label=t.chats()>
                {groups}
                <a href=CHATS class="more">{t.all_chats()}</a>
            </nav>
        }
    });
    view! { <div id="chats">{shown}</div> }
}

fn group(t: Language, chats: &[ListedChat]) -> impl IntoView + use<> {
    let heading = chats.first().map(|chat| chat.heading(t).to_owned());
    let entries = chats.iter().cloned().map(|chat| {
        let (address, current) = (format!("/c/{}", chat.id), chat.current.then_some("page"));
        view! {
            <li>
                <a href=address aria-current=current>
                    <span class="title" dir="auto">{chat.title}</span>
                    {(chat.usd > 0.0).then(|| view! { <span class="cost">{usd(chat.usd)}</span> })}
                </a>
            </li>
        }
    });
    view! {
        <h2>{heading}</h2>
        <ul>{entries.collect_view()}</ul>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(chats: Vec<ListedChat>) -> String {
        Owner::new().with(|| view! { <ChatList chats/> }.to_html())
    }

    fn chat(id: &str, day: &str) -> ListedChat {
        ListedChat {
            id: id.to_owned(),
            title: format!("About {id}"),
            day: day.to_owned(),
            usd: 0.0021,
            current: false,
            pinned: false,
        }
    }

    #[test]
    fn nothing_is_said_of_no_chats() {
        assert_eq!(html(Vec::new()), "<div id=\"chats\"><!></div>");
    }

    #[test]
    fn each_day_has_a_heading_and_pinned_chats_stand_above_all() {
        let mut chats = vec![
            chat("a", "Today"),
            chat("b", "Today"),
            chat("c", "Yesterday"),
        ];
        chats[0].current = true;
        chats[2].pinned = true;
        let html = html(chats);
        let at = |part: &str| {
            html.find(part)
                .unwrap_or_else(|| panic!("{part} in {html}"))
        };
        assert!(at(">Pinned<") < at("/c/c") && at("/c/c") < at(">Today<"));
        assert!(at("/c/a\" aria-current=\"page\"") < at("/c/b"));
        assert_eq!(html.matches("<h2>").count(), 2);
        assert!(html.contains("About c"));
        assert!(html.contains("$0.00210"));
    }
}
