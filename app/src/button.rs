//! A button that does one thing, as a form of its own, so that it needs no script.

use leptos::prelude::*;

/// Posts `name=value` to `path`.
pub(crate) fn post_button(
    path: &'static str,
    name: &'static str,
    value: String,
    words: impl IntoView + 'static,
) -> AnyView {
    view! {
        <form method="post" action=path>
            <button name=name value=value>{words}</button>
        </form>
    }
    .into_any()
}
