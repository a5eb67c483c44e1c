//! The document around every page.

use leptos::prelude::*;

/// Addresses of the files that every page loads.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// The script, an ES module.
    pub script: String,
    /// The icon, as SVG.
    pub icon: String,
}

/// The document of one page. The page has to bring it, because the head is sent before anything below it is known.
#[component]
pub(crate) fn Document(
    /// What the page is about; nothing for the program itself.
    title: Option<String>,
    children: Children,
) -> impl IntoView {
    let title = match title {
        Some(title) => format!("{title} · Nibble"),
        None => "Nibble".to_owned(),
    };
    let Assets {
        style,
        script,
        icon,
    } = use_context().unwrap_or_default();
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="description" content="Chat with a Llama model that runs on this machine’s CPU"/>
                <title>{title}</title>
                <link rel="icon" href="/favicon.ico" sizes="32x32"/>
                <link rel="icon" href=icon type="image/svg+xml"/>
                <link rel="stylesheet" href=style/>
                // Without `async` a module waits for the end of the page, which here is the end of an answer.
                <script type="module" async src=script></script>
            </head>
            <body>{children()}</body>
        </html>
    }
}

/// The name, and on narrow screens the way to the settings.
#[component]
pub(crate) fn Header(
    /// Whether the page has a sidebar.
    settings: bool,
) -> impl IntoView {
    view! {
        <header>
            <a class="brand" href="/">
                <svg viewBox="0 0 16 16" width="24" height="24" aria-hidden="true">
                    <rect x="0" y="0" width="7" height="7" rx="1.5"/>
                    <rect x="9" y="0" width="7" height="7" rx="1.5" class="off"/>
                    <rect x="0" y="9" width="7" height="7" rx="1.5"/>
                    <rect x="9" y="9" width="7" height="7" rx="1.5"/>
                </svg>
                <h1>"Nibble"</h1>
            </a>
            <p>"Llama at four bits, on a CPU"</p>
            {settings
                .then(|| view! { <button type="button" class="open" popovertarget="sidebar">"Settings"</button> })}
        </header>
    }
}
