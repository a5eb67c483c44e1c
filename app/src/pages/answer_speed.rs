//! `/speed/{answer}`: where the time of one answer went, and how it lies among the reader's others.

use leptos::prelude::*;

use super::NotFound;
use super::speed::unread;
use crate::answer::{decode_speed, details, prefill_speed, usd_per_million};
use crate::chat::{Answer, Id, Loaded, Metrics};
use crate::domain::{ENOUGH_TOKENS, Measured};
use crate::figures::{duration, grouped, tokens_per_second, usd};
use crate::language::Language;
use crate::paths::{COST, DECODE, FIRST, PARTS, SPEED, TOTAL};
use crate::shell::Aside;
use crate::speed::{Gathered, Much, Part, What, Why, parts, rank, usual, why};
use crate::visitor::language;

mod replay;

use self::replay::replay;

/// The fewest answers that one lies among, itself included.
const FEWEST: usize = 2;

#[component]
pub(crate) fn AnswerSpeed() -> impl IntoView {
    let Loaded {
        speeds, trouble, ..
    } = use_context::<Loaded>().unwrap_or_default();
    let t = language();
    if let Some(trouble) = trouble {
        return unread(t, t.speed_of_answer(), &trouble);
    }
    let speeds = speeds.unwrap_or_default();
    let Some((answer, conversation)) = speeds.one else {
        return view! { <NotFound/> }.into_any();
    };
    let (of, ways, again) = (
        of(t, &answer, &speeds.answers),
        ways(t, &answer, conversation),
        replay(t, &answer),
    );
    view! {
        <Aside title=t.speed_of_answer() section=t.speed() wide=true>
            <h1>{t.speed_of_answer()}</h1>
            {of}
            {again}
            {ways}
        </Aside>
    }
    .into_any()
}

fn ways(t: Language, answer: &Answer, conversation: Id) -> AnyView {
    let id = answer.id;
    view! {
        <p class="ways">
            <a class="button" href=format!("/c/{conversation}?at={id}#m-{id}")>{t.to_the_answer()}</a>
            <a class="button" href=SPEED>{t.all_answers()}</a>
        </p>
    }
    .into_any()
}

fn of(t: Language, answer: &Answer, others: &[Measured]) -> AnyView {
    let metrics = answer.end.as_ref().and_then(|end| end.metrics.as_ref());
    let Some(metrics) = metrics else {
        let words = match answer.end {
            Some(_) => t.nothing_measured(),
            None => t.still_written(),
        };
        return view! { <p>{words}</p> }.into_any();
    };
    let origin = &answer.origin;
    let threads = origin.threads;
    let alike = |other: &&Measured| {
        *other.model == *origin.model && *other.kernel == *origin.kernel && other.threads == threads
    };
    let alike: Vec<_> = others.iter().filter(alike).collect();
    let usual = usual(metrics, &alike);
    let made = [
        origin.model.clone(),
        origin.kernel.clone(),
        t.threads(threads),
    ];
    view! {
        <p class="note">{made.join(" · ")}</p>
        <p class="why">{sentence(t, why(metrics, threads, usual))}</p>
        {waterfall(t, metrics, &parts(metrics, threads))}
        {among(t, metrics, &alike)}
        <h2>{t.all_figures()}</h2>
        <div class="metrics">{details(t, metrics, &origin.model, Some(""))}</div>
    }
    .into_any()
}

/// Where the time went, in one sentence.
fn sentence(t: Language, why: Why) -> String {
    match why {
        Why::Loaded(Much::Most, seconds) => t.why_loaded(duration(t, seconds)),
        Why::Loaded(Much::Largest, seconds) => t.why_loaded_largest(duration(t, seconds)),
        Why::Waited(Much::Most, seconds) => t.why_waited(duration(t, seconds)),
        Why::Waited(Much::Largest, seconds) => t.why_waited_largest(duration(t, seconds)),
        Why::Throttled(seconds) => t.why_throttled(duration(t, seconds)),
        Why::Paused(seconds) => t.why_paused(duration(t, seconds)),
        Why::Shared(others) => t.why_shared(format!("{others:.1}")),
        Why::Read(Much::Most, tokens) => t.why_read(tokens),
        Why::Read(Much::Largest, tokens) => t.why_read_largest(tokens),
        Why::Thought(Much::Most, tokens) => t.why_thought(tokens),
        Why::Thought(Much::Largest, tokens) => t.why_thought_largest(tokens),
        Why::Slower { of_usual, held_up } => {
            let slower = t.why_slower(format!("{:.0}", of_usual * 100.0));
            match held_up {
                Some((what, seconds)) => {
                    t.why_held_up(slower, held_up_by(t, what), duration(t, seconds))
                }
                None => t.why_unmeasured(slower),
            }
        }
        Why::Wrote {
            much,
            tokens,
            as_usual,
        } => {
            let wrote = match much {
                Much::Most => t.why_wrote(tokens),
                Much::Largest => t.why_wrote_largest(tokens),
            };
            match as_usual {
                true => t.why_usual(wrote),
                false => wrote,
            }
        }
        Why::Nothing => t.why_nothing().to_owned(),
    }
}

/// What held an answer up, as a part of a sentence.
fn held_up_by(t: Language, what: What) -> &'static str {
    match what {
        What::Paused => t.held_up_by_pause(),
        What::Guessing => t.held_up_by_guesses(),
        What::Throttled => t.held_up_by_throttling(),
        // No other part lies within the rest.
        _ => t.held_up_by_others(),
    }
}

/// A bar for each part, from when to when, beside what it took.
fn waterfall(t: Language, metrics: &Metrics, parts: &[Part]) -> AnyView {
    let total = metrics.total_s.max(f64::MIN_POSITIVE);
    let rows = parts.iter().map(|part| {
        let place = |seconds: f64| format!("{:.2}", seconds / total * 100.0);
        let class = match part.from {
            Some(_) => "bar",
            None => "bar within",
        };
        let took = match part.what {
            What::Cached => t.seconds(0),
            _ => duration(t, part.took),
        };
        view! {
            <tr>
                <th scope="row">{name(t, part.what)}</th>
                <td class="time">
                    <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                        <rect
                            class=class
                            x=place(part.from.unwrap_or(0.0))
                            y="1"
                            width=place(part.took)
                            height="8"
                        />
                    </svg>
                </td>
                <td>{took}</td>
                <td class="note">{note(t, metrics, part.what)}</td>
            </tr>
        }
    });
    view! {
        <h2 id=PARTS>{t.where_time_went()}</h2>
        <table class="waterfall">
            <thead class="unseen">
                <tr>
                    <th scope="col">{t.part()}</th>
                    <th scope="col">{t.place_in_time()}</th>
                    <th scope="col">{t.took()}</th>
                    <th scope="col">{t.with()}</th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
    .into_any()
}

fn name(t: Language, what: What) -> &'static str {
    match what {
        What::Loading => t.part_loading(),
        What::Waiting => t.part_waiting(),
        What::Cached => t.part_cached(),
        What::Reading => t.part_reading(),
        What::Thinking => t.part_thinking(),
        What::Writing => t.part_writing(),
        What::Paused => t.part_paused(),
        What::Guessing => t.part_guessing(),
        What::Sharing => t.part_sharing(),
        What::Throttled => t.part_throttled(),
    }
}

/// What a part had to do with.
fn note(t: Language, metrics: &Metrics, what: What) -> Option<String> {
    Some(match what {
        What::Cached => {
            let cached = metrics.cached_tokens;
            match prefill_speed(metrics).filter(|speed| *speed > 0.0) {
                Some(speed) => t.cached_worth(grouped(cached), duration(t, cached as f64 / speed)),
                None => t.tokens_counted(cached),
            }
        }
        What::Reading => {
            let computed = metrics.prompt_tokens.saturating_sub(metrics.cached_tokens);
            t.tokens_counted(computed)
        }
        What::Thinking => t.tokens_counted(metrics.thought_tokens),
        What::Writing => {
            t.tokens_counted(metrics.output_tokens.saturating_sub(metrics.thought_tokens))
        }
        What::Guessing => {
            let [right, all] = [metrics.accepted_tokens, metrics.drafted_tokens].map(grouped);
            t.guesses_right(right, all)
        }
        What::Sharing => t.others(format!("{:.1}", metrics.beside)),
        What::Loading | What::Waiting | What::Paused | What::Throttled => return None,
    })
}

/// How it lies among those of the same model, kernel and threads.
fn among(t: Language, metrics: &Metrics, alike: &[&Measured]) -> AnyView {
    let Gathered {
        firsts, decodes, ..
    } = Gathered::of(alike);
    let first = metrics.time_to_first_token_s.and_then(|first| {
        let quicker = rank(&firsts, first)?;
        Some(t.first_among(duration(t, first), quicker))
    });
    let decode = decode_speed(metrics).and_then(|speed| {
        let slower = rank(&decodes, speed)?;
        Some(t.decode_among(tokens_per_second(t, speed), slower))
    });
    let quicker = rank(
        &of_each(alike, |other| Some(other.total_s)),
        metrics.total_s,
    );
    let total = quicker.map(|quicker| t.total_among(duration(t, metrics.total_s), quicker));
    let million = usd_per_million(metrics).and_then(|cost| {
        let of = |other: &Measured| {
            let tokens = other.output_tokens;
            (tokens >= ENOUGH_TOKENS).then(|| other.usd_total / tokens as f64 * 1e6)
        };
        let cheaper = rank(&of_each(alike, of), cost)?;
        Some(t.cost_among(t.per_million(usd(cost)), cheaper))
    });
    let told = [
        (FIRST, first),
        (DECODE, decode),
        (TOTAL, total),
        (COST, million),
    ];
    if alike.len() < FEWEST {
        let places = told.map(|(id, _)| view! { <span id=id></span> });
        return view! { <p class="note">{places.into_iter().collect_view()}{t.none_alike()}</p> }
            .into_any();
    }
    // Links of figures lead here also where there is nothing to say of one.
    let untold = told.iter().filter(|(_, words)| words.is_none());
    let untold = untold.map(|(id, _)| view! { <span id=*id></span> });
    let untold = untold.collect_view();
    let told = told
        .into_iter()
        .filter_map(|(id, words)| Some((id, words?)));
    let told = told.map(|(id, words)| view! { <li id=id>{words}</li> });
    view! {
        <h2>{untold}{t.among_others(grouped(alike.len()))}</h2>
        <ul class="among">
            {told.collect_view()}
        </ul>
    }
    .into_any()
}

/// A figure of each answer that has it.
fn of_each(answers: &[&Measured], figure: impl Fn(&Measured) -> Option<f64>) -> Vec<f64> {
    let figures = answers.iter().filter_map(|answer| figure(answer));
    figures.collect()
}
