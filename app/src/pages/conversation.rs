use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::not_found::Lost;
use crate::chat::SharedChat;
use crate::chat_view::ChatView;

/// `/c/{id}`: a conversation with its answers, a running one as it comes.
#[component]
pub(crate) fn ConversationPage() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id");
    let found = use_context::<SharedChat>().zip(id);
    match found.and_then(|(chat, id)| Some((chat.conversation(&id)?, chat))) {
        Some((conversation, chat)) => view! { <ChatView conversation chat/> }.into_any(),
        None => view! {
            <Lost
                heading="This conversation is gone"
                reason="Conversations live in the server’s memory: a restart forgets them, and so do many newer ones."
            />
        }
        .into_any(),
    }
}
