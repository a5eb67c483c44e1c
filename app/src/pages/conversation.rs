use leptos::prelude::*;

use super::not_found::Lost;
use crate::actions::set_status;
use crate::chat::{Loaded, SharedChat};
use crate::chat_view::ChatView;
use crate::complaint::Complaint;
use crate::visitor::language;

/// `/c/{id}`: a conversation with its answers, a running one as it comes.
#[component]
pub(crate) fn ConversationPage() -> impl IntoView {
    let mut loaded = use_context::<Loaded>().unwrap_or_default();
    match (loaded.thread.take(), use_context::<SharedChat>()) {
        (Some(thread), Some(chat)) => view! { <ChatView thread loaded chat/> }.into_any(),
        _ => missing(loaded.trouble),
    }
}

fn missing(trouble: Option<Complaint>) -> AnyView {
    let t = language();
    let Some(trouble) = trouble else {
        return view! {
            <Lost
                heading=t.no_such_conversation()
                reason=t.no_such_conversation_why().to_owned()
            />
        }
        .into_any();
    };
    let reason = trouble.reason.sentence(t);
    let page = view! { <Lost heading=t.conversation_unreadable() reason/> }.into_any();
    set_status(503);
    page
}
