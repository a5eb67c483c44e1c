//! One turn of the conversation as HTML: the question, and the answer in its three states (running, ended, failed).

mod metrics;
mod stream;

use leptos::prelude::*;

use self::metrics::Metrics;
use self::stream::streamed;
use crate::chat::{Answer, End, SharedChat, Turn};
use crate::markdown;

/// An ended answer as it replaces the text that streamed: rendered Markdown, how it ended, what it took.
#[must_use]
pub fn answer_html(answer: &Answer) -> String {
    Owner::new().with(|| ended(answer).to_html())
}

/// A turn whose answer a script is going to follow.
pub(crate) fn turn_html(turn: &Turn) -> String {
    let (question, run) = (turn.question.clone(), turn.answer.run.clone());
    view! {
        <Question text=question/>
        <article class="answer" aria-label="Answer" data-run=run>
            <div class="body"></div>
        </article>
    }
    .to_html()
}

/// A turn on a page; a running answer streams into it.
#[component]
pub(crate) fn TurnView(turn: Turn, chat: SharedChat) -> impl IntoView {
    let run = turn.answer.run.clone();
    let body = if turn.answer.end.is_some() {
        ended(&turn.answer)
    } else {
        streamed(chat, turn.answer.run)
    };
    view! {
        <Question text=turn.question/>
        <article class="answer" aria-label="Answer" data-run=run>
            <div class="body">{body}</div>
        </article>
    }
}

#[component]
fn Question(text: String) -> impl IntoView {
    view! {
        <article class="question" aria-label="Question">
            <p dir="auto">{text}</p>
        </article>
    }
}

pub(crate) fn ended(answer: &Answer) -> AnyView {
    let html = markdown::to_html(&answer.text);
    let (outcome, metrics) = match &answer.end {
        None => (None, None),
        Some(End::Complete(metrics)) => (None, Some(metrics)),
        Some(End::Length(metrics)) => (
            Some(
                "Cut off: the answer reached its most tokens or the end of the model’s context."
                    .to_owned(),
            ),
            Some(metrics),
        ),
        Some(End::Stopped(metrics)) => (Some("Stopped by you.".to_owned()), Some(metrics)),
        Some(End::CutOff(metrics)) => (
            Some("Cut off: the server was shut down before the answer was complete.".to_owned()),
            Some(metrics),
        ),
        Some(End::Failed(reason)) => (Some(format!("This answer failed: {reason}.")), None),
    };
    let class = match answer.end {
        Some(End::Failed(_)) => "outcome failed",
        _ => "outcome",
    };
    view! {
        <div class="final">
            <div class="prose" dir="auto" inner_html=html></div>
            {outcome.map(|outcome| view! { <p class=class>{outcome}</p> })}
            {metrics.map(|metrics| view! { <Metrics metrics=metrics.clone()/> })}
        </div>
    }
    .into_any()
}
