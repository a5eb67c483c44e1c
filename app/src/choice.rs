//! The ways on where the model's context is full: small forms, which need no script.

use leptos::prelude::*;

use crate::chat::{Wanted, WhenFull};
use crate::language::Language;
use crate::paths::{AGAIN, CONTINUE, EDIT};
use crate::settings::MessageForm;

/// [`choice`] for a script.
pub(crate) fn choice_html(t: Language, wanted: &Wanted, form: &MessageForm) -> String {
    Owner::new().with(|| choice(t, wanted, form).to_html())
}

/// The ways on from what the model did not take.
pub(crate) fn choice(t: Language, wanted: &Wanted, form: &MessageForm) -> AnyView {
    match wanted {
        // What is typed and set may be changed until one is chosen, so these are buttons of that form.
        Wanted::Answer => ways(t, t.ask_in_new_chat(), Some("composer"), None).into_any(),
        Wanted::Again(answer) => view! {
            <input type="hidden" form="composer" name="refused" value=answer.clone()/>
            {ways(t, t.ask_in_new_chat(), Some("composer"), Some(AGAIN))}
        }
        .into_any(),
        Wanted::Instead(question) => view! {
            <form method="post" action=EDIT>
                <input type="hidden" name="question" value=question.clone()/>
                <input type="hidden" name="conversation" value=form.conversation.clone()/>
                <input type="hidden" name="message" value=form.message.clone()/>
                {ways(t, t.ask_in_new_chat(), None, None)}
            </form>
        }
        .into_any(),
        Wanted::More(answer) => ways_to_more(t, answer.clone()),
    }
}

/// The ways to more of an answer.
pub(crate) fn ways_to_more(t: Language, answer: String) -> AnyView {
    view! {
        <form method="post" action=CONTINUE class="ways">
            <input type="hidden" name="answer" value=answer/>
            {ways(t, t.continue_in_new_chat(), None, None)}
        </form>
    }
    .into_any()
}

fn ways(
    t: Language,
    elsewhere: &'static str,
    form: Option<&'static str>,
    action: Option<&'static str>,
) -> impl IntoView + use<> {
    [
        (WhenFull::NewChat, elsewhere),
        (WhenFull::Forget, t.go_on_without_oldest()),
    ]
    .map(|(when_full, words)| {
        view! {
            <button
                type="submit"
                form=form
                formaction=action
                formnovalidate
                name="when_full"
                value=when_full.name()
            >
                {words}
            </button>
        }
    })
}
