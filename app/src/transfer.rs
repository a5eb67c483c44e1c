//! Chats leave the program as files, and come in from files, with what came of the last one.

use leptos::prelude::*;

use crate::chat::Imported;
use crate::figures::grouped;
use crate::language::Language;
use crate::visitor::Visitor;
use crate::visitor::language;

/// The form for a file, and the way to one of all chats.
#[component]
pub(crate) fn Transfer() -> impl IntoView {
    let t = language();
    view! {
        <details class="all">
            <summary>{t.import_and_export()}</summary>
            <form method="post" action="/chats/import" enctype="multipart/form-data" class="import">
                <label for="file">{t.file_of_chats()}</label>
                <input type="file" id="file" name="file" accept=".json,application/json" required/>
                <button type="submit">{t.import()}</button>
            </form>
            <p>
                <a class="button" href="/chats/export.json" download="">{t.export_all_chats()}</a>
            </p>
        </details>
    }
    .into_any()
}

/// The way out, for those who are signed in.
#[component]
pub(crate) fn SignOut() -> impl IntoView {
    let visitor = use_context::<Visitor>().unwrap_or_default();
    visitor.signed_in.then(|| {
        view! {
            <form method="post" action="/sign-out" class="sign-out">
                <button type="submit">{language().sign_out()}</button>
            </form>
        }
        .into_any()
    })
}

/// What came of a file, on the page that answers it.
#[component]
pub(crate) fn Outcome() -> impl IntoView {
    let t = language();
    use_context::<Imported>().map(|imported| {
        let class = if imported.trouble.is_some() {
            "outcome failed"
        } else {
            "outcome"
        };
        let trouble = imported
            .trouble
            .as_deref()
            .map(|trouble| t.sentence(trouble));
        let left_out = imported.left_out.iter().map(|left_out| {
            view! {
                <li>
                    <code dir="auto">{left_out.title.clone()}</code>
                    {t.colon()}
                    {left_out.reason.clone()}
                </li>
            }
        });
        let more = imported.left_out_in_all - imported.left_out.len();
        view! {
            <div class=class role="status">
                {counts(t, &imported).map(|counts| view! { <p>{counts}</p> })}
                {trouble.map(|trouble| view! { <p>{trouble}</p> })}
                <ul>
                    {left_out.collect_view()}
                    {(more > 0).then(|| view! { <li>{t.and_more(grouped(more))}</li> })}
                </ul>
                {skipped(t, imported.skipped)}
            </div>
        }
        .into_any()
    })
}

/// Nothing where nothing but the trouble is to be told.
fn counts(t: Language, imported: &Imported) -> Option<String> {
    let chats = t.chats_counted(imported.chats);
    match (imported.chats, imported.left_out_in_all) {
        (0, 0) if imported.trouble.is_some() => None,
        (_, 0) => Some(t.imported(chats)),
        (_, left_out) => Some(t.imported_some(chats, grouped(left_out))),
    }
}

fn skipped(t: Language, count: usize) -> Option<impl IntoView> {
    (count > 0).then(|| {
        let messages = t.messages_counted(count);
        view! { <p class="note">{t.without_messages(messages)}</p> }
    })
}
