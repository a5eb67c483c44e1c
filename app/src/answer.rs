//! One turn of the conversation as HTML: the question, and the answer in its three states (running, ended, failed).

mod acts;
mod formulas;
mod metrics;
mod question;
mod stream;
mod summary;

use leptos::prelude::*;

use self::acts::AnswerActs;
pub(crate) use self::formulas::{decode_speed, prefill_speed, usd_per_million};
use self::formulas::{speed_so_far, times_reading};
use self::metrics::Metrics;
pub(crate) use self::metrics::details;
use self::question::QuestionView;
use self::stream::streamed;
pub(crate) use self::summary::summary;
use crate::chat::{Answer, End, EndReason, Id, Progress, SharedChat, Turn};
use crate::figures::{duration, grouped, times, tokens_per_second};
use crate::language::Language;
use crate::markdown;
use crate::paths::SPEED;

/// An ended answer as it replaces the text that streamed: rendered Markdown, how it ended, what it took, and what can be done
/// with it by whoever `own`s it.
#[must_use]
pub fn answer_html(t: Language, answer: &Answer, own: bool) -> String {
    Owner::new().with(|| ended(t, answer, own).to_html())
}

/// The figures of an answer in the making, as far as they say something: speed, how many times as fast as reading, first
/// token. Nothing before its first token.
#[must_use]
pub fn figures_so_far(t: Language, progress: &Progress) -> Vec<String> {
    let Some(first_s) = progress.first_token.map(|first| first.as_secs_f64()) else {
        return Vec::new();
    };
    let mut figures = Vec::new();
    let elapsed_s = progress.elapsed.as_secs_f64();
    if let Some(speed) = speed_so_far(progress.tokens, first_s, elapsed_s) {
        figures.push(tokens_per_second(t, speed));
        figures.push(t.times_reading(times(times_reading(speed))));
    }
    figures.push(t.first_token(duration(t, first_s)));
    figures
}

/// A turn whose answer a script is going to follow.
pub(crate) fn turn_html(t: Language, turn: &Turn, conversation: Id) -> String {
    let (question, run) = (turn.question.clone(), turn.answer.id);
    let article = article(t, run, view! { <div class="body"></div> });
    view! {
        <QuestionView t question conversation=Some(conversation)/>
        {article}
    }
    .to_html()
}

/// A turn on a page; a running answer streams into it.
#[component]
pub(crate) fn TurnView(
    t: Language,
    turn: Turn,
    chat: SharedChat,
    /// The conversation, where it is the visitor's own.
    conversation: Option<Id>,
) -> impl IntoView {
    let run = turn.answer.id;
    let own = conversation.is_some();
    let body = if turn.answer.end.is_some() {
        ended(t, &turn.answer, own)
    } else {
        streamed(t, chat, run, own)
    };
    let article = article(t, run, view! { <div class="body">{body}</div> });
    view! {
        <QuestionView t question=turn.question conversation/>
        {article}
    }
}

/// A turn in a file, as far as it is written and without what was thought: nothing can be done with it there.
pub(crate) fn kept(t: Language, mut turn: Turn) -> impl IntoView {
    turn.answer.thought.clear();
    let body = ended(t, &turn.answer, false);
    let article = article(t, turn.answer.id, view! { <div class="body">{body}</div> });
    view! {
        <QuestionView t question=turn.question conversation=None/>
        {article}
    }
}

fn article(t: Language, run: Id, body: impl IntoView) -> impl IntoView {
    view! {
        <article class="answer" aria-label=t.answer() id=format!("m-{run}") data-run=run.to_string()>
            {body}
        </article>
    }
}

pub(crate) fn ended(t: Language, answer: &Answer, own: bool) -> AnyView {
    let html = markdown::to_html(t, &answer.text, &answer.id.to_string());
    let outcome = answer
        .end
        .as_ref()
        .and_then(|end| outcome(t, &end.reason, answer));
    let metrics = answer.end.as_ref().and_then(|end| end.metrics.clone());
    let is_failed = matches!(
        &answer.end,
        Some(End {
            reason: EndReason::Failed(_),
            ..
        })
    );
    let model = answer.origin.model.clone();
    let speed = own.then(|| format!("{SPEED}/{}", answer.id));
    let class = if is_failed {
        "outcome failed"
    } else {
        "outcome"
    };
    view! {
        <div class="final">
            {thought(t, answer)}
            <div class="prose" dir="auto" inner_html=html></div>
            {outcome.map(|outcome| view! { <p class=class>{outcome}</p> })}
            {metrics.map(|metrics| view! { <Metrics t metrics model speed/> })}
            {own.then(|| view! { <AnswerActs t answer=answer.clone()/> })}
        </div>
    }
    .into_any()
}

/// What was thought before the answer, folded.
fn thought(t: Language, answer: &Answer) -> Option<AnyView> {
    if answer.thought.is_empty() {
        return None;
    }
    let metrics = answer.end.as_ref().and_then(|end| end.metrics.as_ref());
    let took = metrics.and_then(|metrics| {
        let seconds = duration(t, metrics.thought_s?);
        let tokens = grouped(metrics.thought_tokens);
        Some(t.thought_took(seconds, tokens))
    });
    let html = markdown::to_html(t, &answer.thought, &format!("t{}", answer.id));
    let view = view! {
        <details class="thought">
            <summary>{t.thought()}{took}</summary>
            <div class="prose" dir="auto" inner_html=html></div>
        </details>
    };
    Some(view.into_any())
}

/// What a person is told of how an answer ended; nothing where it is complete.
fn outcome(t: Language, reason: &EndReason, answer: &Answer) -> Option<String> {
    let outcome = match reason {
        EndReason::Complete => return None,
        EndReason::MaxTokens => t.end_max_tokens(),
        EndReason::Context if answer.text.is_empty() => t.end_no_room(),
        EndReason::Context => t.end_context(),
        EndReason::Repetition => t.end_repetition(),
        EndReason::Stopped => t.end_stopped(),
        EndReason::CutOff => t.end_cut_off(),
        EndReason::Interrupted => t.end_interrupted(),
        EndReason::Failed(reason) => return Some(t.end_failed(reason)),
    };
    Some(outcome.to_owned())
}
