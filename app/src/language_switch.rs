//! The switch of the page's language: a button for each, which needs no script.

use form_urlencoded::Serializer;
use http::request::Parts;
use leptos::prelude::*;

use crate::language::Language;
use crate::visitor::language;

/// Where it is sent, with the address that it was pressed at as `next`.
pub const LANGUAGE: &str = "/language";

/// A form of its own, as pages beside the chat have it.
#[component]
pub(crate) fn LanguageForm() -> impl IntoView {
    view! {
        <form method="post" action=address()>
            {buttons(None)}
        </form>
    }
    .into_any()
}

/// Buttons of the composer's form: with them goes what is typed and set.
#[component]
pub(crate) fn LanguageButtons() -> impl IntoView {
    buttons(Some(address())).into_any()
}

fn buttons(to: Option<String>) -> impl IntoView {
    let t = language();
    let form = to.is_some().then_some("composer");
    let buttons = Language::ALL.map(|choice| {
        view! {
            <button
                type="submit"
                form=form
                formaction=to.clone()
                formenctype=form.map(|_| "application/x-www-form-urlencoded")
                formnovalidate
                name="language"
                value=choice.tag()
                lang=choice.tag()
                aria-current=(choice == t).then_some("true")
            >
                {choice.name()}
            </button>
        }
    });
    view! {
        <div class="language" role="group" aria-label=t.language()>
            <span aria-hidden="true">{t.language()}</span>
            {buttons.collect_view()}
        </div>
    }
}

fn address() -> String {
    let here = use_context::<Parts>();
    let here = here.as_ref().and_then(|parts| parts.uri.path_and_query());
    let mut address = Serializer::new(format!("{LANGUAGE}?"));
    address.append_pair("next", here.map_or("/", |here| here.as_str()));
    address.finish()
}
