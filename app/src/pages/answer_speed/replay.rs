//! An answer computed again: the button, how far it is, and what came of it with what is another than then.

use std::time::Duration;

use futures::StreamExt;
use leptos::prelude::*;
use tokio::time::timeout;

use crate::button::post_button;
use crate::chat::{Answer, Replay, ReplayRefused, Replaying, SharedChat};
use crate::domain::{Changed, Parting, Replayed};
use crate::figures::grouped;
use crate::language::Language;
use crate::paths::REPLAY;
use crate::visitor::visitor;

/// Nothing for an answer of which is not known how it was made, or that is still written.
pub(super) fn replay(t: Language, answer: &Answer) -> Option<AnyView> {
    if answer.end.is_none() || answer.origin.model.is_empty() {
        return None;
    }
    let chat = use_context::<SharedChat>()?;
    let refused = use_context::<ReplayRefused>();
    let refused = refused.map(|ReplayRefused(complaint)| {
        let reason = complaint.reason.sentence(t);
        view! { <p class="outcome failed" role="alert">{reason}</p> }
    });
    let steps = chat.replayed(visitor(), answer.id);
    let outcome = steps.map(|steps| appended(t, steps, None));
    Some(
        view! {
            <h2 id="replay">{t.replay()}</h2>
            <p class="note">{t.replay_why()}</p>
            {refused}
            {post_button(REPLAY, "answer", answer.id.to_string(), t.replay_start())}
            <div class="replay">{outcome}</div>
        }
        .into_any(),
    )
}

/// Another piece is sent after so many tokens more.
const APART: usize = 8;

/// How often one is sent while nothing happens, which keeps the connection from looking dead.
const TICK: Duration = Duration::from_secs(1);

/// The next step that tells something new, and in its place the one after it; the outcome at the end.
fn appended(t: Language, mut steps: Replaying, told: Option<usize>) -> AnyView {
    Suspend::new(async move {
        // Steps that are there already would otherwise nest in one call and use up the stack.
        tokio::task::yield_now().await;
        loop {
            let tokens = match timeout(TICK, steps.next()).await {
                Err(_) => told.unwrap_or_default(),
                Ok(None) => break,
                Ok(Some(step)) if step.outcome.is_some() => {
                    return view! { <div class="final">{ended(t, step)}</div> }.into_any();
                }
                Ok(Some(step)) if told.is_none_or(|told| step.tokens >= told + APART) => {
                    step.tokens
                }
                Ok(Some(_)) => continue,
            };
            let tick = view! { <span class="tick">{t.replay_running(tokens)}</span> };
            return view! { {tick} {appended(t, steps, Some(tokens))} }.into_any();
        }
        let why = t.engine_failed();
        view! { <p class="final outcome failed">{t.replay_failed(why)}</p> }.into_any()
    })
    .into_any()
}

fn ended(t: Language, replay: Replay) -> AnyView {
    let is_same = matches!(
        replay.outcome,
        Some(Replayed::Same(_) | Replayed::SameInPieces(_) | Replayed::SameSoFar)
    );
    let outcome = replay.outcome.map(|outcome| match outcome {
        Replayed::Same(tokens) => said(t.replay_same(tokens)),
        Replayed::SameInPieces(pieces) => said(t.replay_same_in_pieces(pieces)),
        Replayed::SameSoFar => said(t.replay_same_so_far().to_owned()),
        Replayed::OtherTokens(then, now) => {
            let words = t.replay_other_tokens(grouped(now), grouped(then));
            view! { <p class="outcome failed">{words}</p> }.into_any()
        }
        Replayed::Differs(parting) => parted(t, parting),
        Replayed::Failed(why) => {
            view! { <p class="outcome failed">{t.replay_failed(why)}</p> }.into_any()
        }
    });
    let unchanged = replay.changed.is_empty() && !is_same;
    let unchanged = match replay.is_told_the_same {
        true => unchanged.then(|| t.replay_unchanged()),
        false => (!is_same).then(|| t.replay_unproved()),
    };
    let unchanged = unchanged.map(|said| view! { <p class="note">{said}</p> });
    let changed = replay.changed.iter().map(|changed| {
        view! { <li>{in_words(t, changed)}</li> }
    });
    let changed = (!replay.changed.is_empty()).then(|| {
        view! {
            <h3>{t.changed_since()}</h3>
            <ul class="verdict">{changed.collect_view()}</ul>
        }
    });
    view! { {outcome} {unchanged} {changed} }.into_any()
}

fn said(words: String) -> AnyView {
    view! { <p class="why">{words}</p> }.into_any()
}

fn parted(t: Language, parting: Parting) -> AnyView {
    let text = |name, text: String| {
        let common = parting.common.clone();
        view! {
            <div>
                <dt>{name}</dt>
                <dd class="written" dir="auto">{common} <mark>{text}</mark></dd>
            </div>
        }
    };
    view! {
        <p class="outcome failed">{t.replay_differs(parting.characters)}</p>
        <dl class="parting">
            {text(t.replay_then(), parting.before.clone())}
            {text(t.replay_now(), parting.now.clone())}
        </dl>
    }
    .into_any()
}

fn in_words(t: Language, changed: &Changed) -> String {
    match changed {
        Changed::Files => t.changed_files().to_owned(),
        Changed::Quantization(then, now) => t.changed_quantization(then, now),
        Changed::Kv(then, now) => t.changed_kv(then, now),
        Changed::Kernel(then, now) => t.changed_kernel(then, now),
        Changed::Threads(then, now) => t.changed_threads(then, now),
        Changed::Version(then, now) => t.changed_version(then, now),
    }
}
