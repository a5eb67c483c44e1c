use leptos::prelude::*;

use super::NotFound;
use crate::chat::{Loaded, SharedChat};
use crate::chat_view::ChatView;

/// `/`: a conversation that begins with its first message.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let mut loaded = use_context::<Loaded>().unwrap_or_default();
    match (loaded.thread.take(), use_context::<SharedChat>()) {
        (Some(thread), Some(chat)) => view! { <ChatView thread loaded chat/> }.into_any(),
        _ => view! { <NotFound/> }.into_any(),
    }
}
