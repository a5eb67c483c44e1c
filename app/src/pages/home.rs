use leptos::prelude::*;

use super::NotFound;
use crate::chat::{Conversation, SharedChat};
use crate::chat_view::ChatView;

/// `/`: a conversation that begins with its first message.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let Some(chat) = use_context::<SharedChat>() else {
        return view! { <NotFound/> }.into_any();
    };
    let conversation = Conversation {
        id: String::new(),
        settings: chat.defaults(),
        turns: Vec::new(),
    };
    view! { <ChatView conversation chat/> }.into_any()
}
