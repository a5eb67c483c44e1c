//! What an empty page offers to begin with: questions that each show something else of the machine.

use leptos::prelude::*;

use crate::language::Language;
use crate::visitor::language;

/// A question that one press asks.
struct Starter {
    /// What its button sends.
    name: &'static str,
    label: fn(Language) -> &'static str,
    /// What it says of itself.
    about: fn(Language) -> &'static str,
    question: fn(Language) -> &'static str,
}

const STARTERS: [Starter; 4] = [
    Starter {
        name: "short",
        label: Language::short_answer,
        about: Language::short_answer_about,
        question: Language::short_answer_asked,
    },
    Starter {
        name: "reading",
        label: Language::long_text,
        about: Language::long_text_about,
        question: tides,
    },
    Starter {
        name: "code",
        label: Language::some_code,
        about: Language::some_code_about,
        question: Language::some_code_asked,
    },
    Starter {
        name: "long",
        label: Language::long_answer,
        about: Language::long_answer_about,
        question: Language::long_answer_asked,
    },
];

fn tides(t: Language) -> &'static str {
    match t {
        Language::English => include_str!("starters/tides.txt"),
        Language::Chinese => include_str!("starters/tides.zh-CN.txt"),
    }
}

/// What is asked: the question of a starter that was pressed, else the message.
pub(crate) fn question(t: Language, message: String, starter: &str) -> String {
    let pressed = STARTERS.iter().find(|known| known.name == starter);
    pressed.map_or(message, |starter| (starter.question)(t).to_owned())
}

/// Buttons of the composer's form.
#[component]
pub(crate) fn Starters() -> impl IntoView {
    let t = language();
    let buttons = STARTERS.map(|starter| {
        view! {
            <li>
                <button type="submit" form="composer" name="starter" value=starter.name>
                    <b>{(starter.label)(t)}</b>
                    <span>{(starter.about)(t)}</span>
                </button>
            </li>
        }
    });
    view! { <ul class="starters" aria-label=t.to_begin_with()>{buttons.collect_view()}</ul> }
        .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::MESSAGE_BYTES;

    #[test]
    fn a_starter_that_is_pressed_is_asked_whatever_is_typed() {
        let asked = |t, starter| question(t, "mine".into(), starter);
        assert!(asked(Language::English, "code").contains("palindrome"));
        assert!(asked(Language::Chinese, "code").contains("回文"));
        assert_eq!(asked(Language::English, ""), "mine");
        assert_eq!(asked(Language::English, "no such starter"), "mine");
    }

    #[test]
    fn every_question_may_be_sent() {
        for starter in STARTERS {
            for t in Language::ALL {
                assert!(
                    (starter.question)(t).len() < MESSAGE_BYTES,
                    "{}",
                    starter.name
                );
            }
        }
    }
}
