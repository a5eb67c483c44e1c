//! A conversation as one HTML file: the answers and figures of the page, with the styles inside and nothing that could run
//! or be loaded.

use leptos::prelude::*;

use super::facts;
use crate::answer::kept;
use crate::domain::{Conversation, Turn};
use crate::language::Language;

/// What a browser lets such a file do, from wherever it is opened.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The branch that a conversation shows.
#[must_use]
pub fn page(t: Language, conversation: &Conversation, turns: Vec<Turn>, style: &str) -> String {
    let document = || {
        let facts = facts(t, conversation, &turns);
        let (title, style) = (conversation.title.clone(), style.to_owned());
        let system_prompt = Some(conversation.settings.system_prompt.clone());
        let system_prompt = system_prompt.filter(|prompt| !prompt.is_empty());
        let turns = turns.into_iter().map(|turn| kept(t, turn)).collect_view();
        view! {
            <!DOCTYPE html>
            <html lang=t.tag()>
                <head>
                    <meta charset="utf-8"/>
                    <meta http-equiv="Content-Security-Policy" content=POLICY/>
                    <meta name="viewport" content="width=device-width, initial-scale=1"/>
                    <meta name="color-scheme" content="light dark"/>
                    <meta name="generator" content="Nibble"/>
                    <title>{title.clone()}</title>
                    <style inner_html=style></style>
                </head>
                <body class="file">
                    <main>
                        <h1 dir="auto">{title}</h1>
                        <p class="facts">{facts}</p>
                        {system_prompt
                            .map(|prompt| {
                                view! {
                                    <details class="system-prompt">
                                        <summary>{t.system_prompt()}</summary>
                                        <p dir="auto">{prompt}</p>
                                    </details>
                                }
                            })}
                        <h2 class="unseen">{t.conversation()}</h2>
                        {turns}
                    </main>
                </body>
            </html>
        }
        .to_html()
    };
    Owner::new().with(document)
}
