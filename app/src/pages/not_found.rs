use leptos::prelude::*;

use crate::actions::set_status;
use crate::shell::{Document, Header};

/// Any other address.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    view! {
        <Lost heading="There is no such page" reason="The address may be mistyped or out of date."/>
    }
}

/// A page for what is not there, with the way back.
#[component]
pub(crate) fn Lost(heading: &'static str, reason: &'static str) -> impl IntoView {
    set_status(404);
    view! {
        <Document title=Some("Not found".to_owned())>
            <Header settings=false/>
            <main class="lost">
                <p class="code-number" aria-hidden="true">"404"</p>
                <h2>{heading}</h2>
                <p>{reason}</p>
                <p>
                    <a class="button" href="/">"Begin a new conversation"</a>
                </p>
            </main>
        </Document>
    }
}
