use leptos::prelude::*;

use crate::actions::set_status;
use crate::shell::Aside;
use crate::visitor::language;

/// Any other address.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    let t = language();
    view! { <Lost heading=t.no_such_page() reason=t.no_such_page_why().to_owned()/> }
}

/// A page for what is not there, with the way back.
#[component]
pub(crate) fn Lost(heading: &'static str, reason: String) -> impl IntoView {
    set_status(404);
    let t = language();
    view! {
        <Aside title=t.not_found()>
            <p class="code-number" aria-hidden="true">"404"</p>
            <h1>{heading}</h1>
            <p>{reason}</p>
            <p>
                <a class="button" href="/">{t.begin_anew()}</a>
            </p>
        </Aside>
    }
}
