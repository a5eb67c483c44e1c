//! The document around every page, and the program's name.

use leptos::prelude::*;

use crate::language_switch::LanguageForm;
use crate::paths::{ABOUT, COMPARE, MODELS, SPEED};
use crate::texts::script_texts;
use crate::visitor::language;

/// How often a page is loaded anew that tells what changes.
const REFRESH_S: u32 = 3;

/// Addresses of the files that every page loads.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// The script, an ES module.
    pub script: String,
    /// The script that sets light or dark before anything is seen.
    pub theme: String,
    /// The icon, as SVG.
    pub icon: String,
}

/// The document of one page. The page has to bring it, because the head is sent before anything below it is known.
#[component]
pub(crate) fn Document(
    /// What the page is about; nothing for the program itself.
    title: Option<String>,
    /// Whether scripts do more on it than to set its colours.
    #[prop(optional)]
    scripted: bool,
    /// What a browser without scripts loads every few seconds in its place, while it tells what changes.
    #[prop(default = None)]
    refreshed: Option<&'static str>,
    children: Children,
) -> impl IntoView {
    let t = language();
    let title = match title {
        Some(title) => format!("{title} · Nibble"),
        None => "Nibble".to_owned(),
    };
    let Assets {
        style,
        script,
        theme,
        icon,
    } = use_context().unwrap_or_default();
    view! {
        <!DOCTYPE html>
        <html lang=t.tag()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="description" content=t.about_this_program()/>
                <title>{title}</title>
                <link rel="icon" href="/favicon.ico" sizes="32x32"/>
                <link rel="icon" href=icon type="image/svg+xml"/>
                <link rel="manifest" href="/manifest.webmanifest"/>
                <script src=theme></script>
                <link rel="stylesheet" href=style/>
                {refreshed.map(refresh)}
                {scripted.then(|| view! { <meta name="texts" content=script_texts(t)/> })}
                // Without `async` a module waits for the end of the page, which here is the end of an answer.
                <script type="module" async src=script></script>
            </head>
            <body>{children()}</body>
        </html>
    }
}

fn refresh(to: &'static str) -> AnyView {
    let content = format!("{REFRESH_S};url={to}");
    view! {
        <noscript>
            <meta http-equiv="refresh" content=content/>
        </noscript>
    }
    .into_any()
}

/// The name, which leads to a new conversation.
#[component]
pub(crate) fn Brand() -> impl IntoView {
    view! {
        <a class="brand" href="/">
            <svg viewBox="0 0 16 16" width="22" height="22" aria-hidden="true">
                <rect x="0" y="0" width="7" height="7" rx="1.5"/>
                <rect x="9" y="0" width="7" height="7" rx="1.5" class="off"/>
                <rect x="0" y="9" width="7" height="7" rx="1.5"/>
                <rect x="9" y="9" width="7" height="7" rx="1.5"/>
            </svg>
            "Nibble"
        </a>
    }
}

/// Links to the pages beside the chat.
#[component]
pub(crate) fn Pages(
    /// The name of the page on which they stand.
    #[prop(optional)]
    here: Option<&'static str>,
    /// The name of the one from which that is reached, where it is none of them.
    #[prop(default = None)]
    section: Option<&'static str>,
) -> impl IntoView {
    let t = language();
    let pages = [
        (SPEED, t.speed()),
        (COMPARE, t.compare()),
        (MODELS, t.models()),
        (ABOUT, t.how_it_works()),
    ];
    let pages = pages.map(|(address, name)| {
        let current = match name {
            name if here == Some(name) => Some("page"),
            name if section == Some(name) => Some("true"),
            _ => None,
        };
        view! { <a href=address aria-current=current>{name}</a> }
    });
    view! { <nav aria-label=t.pages()>{pages.collect_view()}</nav> }
}

/// A page of few words, apart from the chat.
#[component]
pub(crate) fn Aside(
    title: &'static str,
    /// Whether no server may be there.
    #[prop(optional)]
    offline: bool,
    /// Whether it has charts and tables.
    #[prop(optional)]
    wide: bool,
    /// The name of the page from which this one is reached, where it is none of the list.
    #[prop(optional)]
    section: Option<&'static str>,
    /// What a browser without scripts loads in its place, while it tells what changes.
    #[prop(default = None)]
    refreshed: Option<&'static str>,
    children: Children,
) -> impl IntoView {
    view! {
        <Document title=Some(title.to_owned()) refreshed>
            <header class="head plain">
                <Brand/>
                {wide.then(|| view! { <Pages here=title section/> })}
                {(!offline).then(|| view! { <LanguageForm/> })}
            </header>
            <main class=if wide { "aside wide" } else { "aside" }>{children()}</main>
        </Document>
    }
}
