//! How much of the model's context a chat takes, and where its memory of the chat begins.

use leptos::prelude::*;

use crate::chat::{Id, Thread};
use crate::figures::grouped;
use crate::visitor::language;

/// Nothing is said of less than this part of the context, and from the other part on it is said louder.
const SAID_FROM: f64 = 0.5;
const NEARLY_FULL: f64 = 0.8;

/// What the last answer of a branch took of the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Tokens of its prompt, its thought and itself.
    used: usize,
    /// The longest sequence, in tokens.
    context: usize,
    /// The question with which memory begins.
    begins: Option<Id>,
}

impl Memory {
    /// Of the end of a conversation.
    pub(crate) fn of(thread: &Thread, context: usize) -> Self {
        let ends = thread.turns.iter().rev().map(|turn| &turn.answer.end);
        let mut metrics = ends.filter_map(|end| end.as_ref()?.metrics.as_ref());
        let last = metrics.next().filter(|_| !thread.later);
        Self {
            used: last.map_or(0, |last| last.prompt_tokens + last.output_tokens),
            context,
            begins: thread.memory,
        }
    }
}

/// What is taken of the context, from when that is worth a word.
#[component]
pub(crate) fn MemoryView(memory: Memory) -> impl IntoView {
    let Memory { used, context, .. } = memory;
    let part = used as f64 / context.max(1) as f64;
    let t = language();
    let is_nearly_full = part >= NEARLY_FULL;
    let class = is_nearly_full.then_some("nearly-full");
    let shown = (part >= SAID_FROM).then(|| {
        let (taken, all) = (grouped(used), grouped(context));
        let words = if is_nearly_full {
            t.context_nearly_full(taken, all)
        } else {
            t.context_taken(taken, all)
        };
        view! {
            <p class=class>
                <label for="taken">{words}</label>
                <meter
                    id="taken"
                    min="0"
                    max=context.to_string()
                    value=used.min(context).to_string()
                ></meter>
            </p>
        }
    });
    view! { <div id="memory">{shown}</div> }.into_any()
}

/// Stands before the question with which memory begins; a script puts it there where the page does not have it yet.
#[component]
pub(crate) fn Forgotten(begins: Id) -> impl IntoView {
    view! {
        <p id="forgotten" class="forgotten" data-before=format!("m-{begins}")>
            {language().forgotten_above()}
        </p>
    }
    .into_any()
}

/// Both, for a page that has changed meanwhile.
pub(crate) fn memory_parts(memory: Memory) -> impl IntoView {
    view! {
        <MemoryView memory/>
        {memory.begins.map(|begins| view! { <Forgotten begins/> })}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Answer, End, EndReason, Metrics, Question, Turn};
    use crate::domain::Origin;
    use crate::settings::Settings;

    fn turn(metrics: Option<(usize, usize)>) -> Turn {
        let metrics = metrics.map(|(prompt_tokens, output_tokens)| Metrics {
            prompt_tokens,
            output_tokens,
            ..Metrics::default()
        });
        Turn {
            question: Question {
                id: Id(1),
                text: "why?".to_owned(),
                attachments: Vec::new(),
                siblings: Vec::new(),
            },
            answer: Answer {
                id: Id(2),
                thought: String::new(),
                text: "so".to_owned(),
                end: Some(End {
                    reason: EndReason::Complete,
                    metrics,
                }),
                siblings: Vec::new(),
                is_told_alone: false,
                origin: Origin::default(),
            },
        }
    }

    fn html(turns: Vec<Turn>) -> String {
        let thread = Thread {
            turns,
            memory: Some(Id(7)),
            ..Thread::blank(Settings::default())
        };
        let memory = Memory::of(&thread, 8192);
        Owner::new().with(|| memory_parts(memory).to_html())
    }

    #[test]
    fn what_the_last_answer_took_is_said_from_one_half_on() {
        let half = turn(Some((4000, 96)));
        let shown = html(vec![turn(None), half.clone()]);
        assert!(
            shown.contains("Context: 4,096 of 8,192 tokens</label>"),
            "{shown}"
        );
        assert!(shown.contains("max=\"8192\" value=\"4096\""), "{shown}");
        assert!(!shown.contains("nearly"), "{shown}");
        assert!(!html(vec![half.clone(), turn(Some((4000, 95)))]).contains("<meter"));
        // What failed took nothing.
        assert!(html(vec![half, turn(None)]).contains("4,096"));
    }

    #[test]
    fn a_context_that_is_nearly_full_is_said_louder() {
        let shown = html(vec![turn(Some((6000, 553)))]);
        assert!(!shown.contains("nearly"), "{shown}");
        let shown = html(vec![turn(Some((6000, 554)))]);
        assert!(shown.contains("class=\"nearly-full\""), "{shown}");
        assert!(shown.contains("nearly full: 6,554 of 8,192"), "{shown}");
        // An answer of another model may have had more.
        let shown = html(vec![turn(Some((9000, 0)))]);
        assert!(shown.contains("value=\"8192\""), "{shown}");
    }

    #[test]
    fn the_line_names_the_question_that_it_stands_before() {
        let shown = html(Vec::new());
        let place = format!("data-before=\"m-{}\"", Id(7));
        assert!(shown.contains(&place), "{shown}");
        assert!(!shown.contains("<meter"), "{shown}");
    }
}
