//! What an answer took and cost: a line of five figures, and where they come from for whoever opens More.

use leptos::prelude::*;

use super::formulas::{
    FIRST_TOKEN_BAR_S, READING, TOKEN_BAR_MS, decode_speed, prefill_speed, times_reading, token_ms,
    usd_per_hour, usd_per_million, usd_per_million_decoding,
};
use crate::chat::Metrics;
use crate::figures::{duration, grouped, milliseconds, times, tokens_per_second, usd};
use crate::language::Language;
use crate::paths::{COST, DECODE, FIRST, FORMULAS, PARTS, TOTAL};
use crate::price;

/// The metrics of an answer.
#[component]
pub(crate) fn Metrics(
    t: Language,
    metrics: Metrics,
    /// The name of its model; empty where it is not known.
    #[prop(default = String::new())]
    model: String,
    /// The page of its speed, for who may see it.
    #[prop(default = None)]
    speed: Option<String>,
) -> impl IntoView {
    view! {
        <div class="metrics" role="group" aria-label=t.metrics()>
            {line(t, &metrics, speed.as_deref())}
            <details class="more">
                <summary>{t.more()}<span class="unseen">{t.more_figures()}</span></summary>
                {details(t, &metrics, &model, speed.as_deref())}
                {speed.map(|speed| view! { <p class="of-speed"><a href=speed>{t.where_time_went()}</a></p> })}
            </details>
        </div>
    }
}

/// The line says in one word, or none, what each figure is; their names are for whoever hears them. Narrow screens show
/// those that are not `wide`. For who may see the page of its speed each leads to where it lies among others.
fn line(t: Language, metrics: &Metrics, page: Option<&str>) -> impl IntoView + use<> {
    let speed = decode_speed(metrics);
    let reading = speed.map(times_reading);
    let beside_reading = match reading {
        Some(ratio) if ratio < 1.0 => "wide reading missed",
        _ => "wide reading",
    };
    let reading = reading.map(|ratio| t.times_reading(times(ratio)));
    let first = metrics
        .time_to_first_token_s
        .map(|first| duration(t, first));
    let million = usd_per_million(metrics).map(|cost| t.per_million_short(usd(cost)));
    let to = |place: &str| page.map(|page| format!("{page}#{place}"));
    let decoded = speed.map(|speed| tokens_per_second(t, speed));
    let first_what = view! { {t.first()} <span class="wide">{t.first_wide()}</span> };
    let (total, cost) = (duration(t, metrics.total_s), usd(metrics.usd_total));
    view! {
        <dl class="line">
            {short(t.decode_speed(), "", to(DECODE), (), decoded)}
            {short(t.beside_reader(), beside_reading, to(DECODE), (), reading)}
            {short(t.ttft(), "", to(FIRST), first_what, first)}
            {short(t.total_time(), "wide", to(TOTAL), (), Some(total))}
            {short(t.total_cost(), "", to(COST), (), Some(cost))}
            {short(t.usd_per_million(), "wide", to(COST), (), million)}
        </dl>
    }
    .into_any()
}

/// A figure of the line, which stands out from its unit and from what it is.
fn short(
    term: &'static str,
    class: &'static str,
    to: Option<String>,
    what: impl IntoView + 'static,
    figure: Option<String>,
) -> Option<AnyView> {
    figure.map(|figure| {
        let figure = view! { {what}{number(&figure)} };
        let figure = match to {
            Some(to) => view! { <a href=to>{figure}</a> }.into_any(),
            None => figure.into_any(),
        };
        view! {
            <div class=class>
                <dt class="unseen">{term}</dt>
                <dd>{figure}</dd>
            </div>
        }
        .into_any()
    })
}

fn number(figure: &str) -> impl IntoView + use<> {
    let (number, unit) = match figure.rsplit_once(' ') {
        Some((number, unit)) => (number, format!(" {unit}")),
        None => (figure, String::new()),
    };
    let number = number.to_owned();
    view! { <b>{number}</b>{unit} }
}

/// All figures of an answer, and the model whose they are where it has a name. For who may see the page of its speed those lead
/// on that are explained there, or among the formulas.
pub(crate) fn details(t: Language, metrics: &Metrics, model: &str, page: Option<&str>) -> AnyView {
    let parts = page.map(|page| format!("{page}#{PARTS}"));
    let formulas = page.map(|_| FORMULAS.to_owned());
    let model = Some(model.to_owned()).filter(|model| !model.is_empty());
    let first = metrics.time_to_first_token_s;
    let speed = |speed| tokens_per_second(t, speed);
    let price = usd_per_hour(metrics).map(|price| price::stated(t, price, price::this_machine()));
    let decoding = usd_per_million_decoding(metrics).map(usd);
    let reading = decode_speed(metrics).map(|speed| beside_reader(t, times_reading(speed)));
    view! {
        <dl class="details">
            {figure(t.ttft(), first.map(|first| duration(t, first)))}
            {figure(t.decode_speed(), decode_speed(metrics).map(speed))}
            {figure(t.usd_per_million(), usd_per_million(metrics).map(usd))}
            {figure(t.total_time(), Some(duration(t, metrics.total_s)))}
            {figure(t.total_cost(), Some(usd(metrics.usd_total)))}
            {leading(t.decoding_alone(), decoding, &formulas)}
            {entry(t.first_token_verdict(), first.map(|first| against_first_bar(t, first)))}
            {leading(t.time_per_token(), token_ms(metrics).map(|time| against_bar(t, time)), &formulas)}
            {entry(t.beside_reader(), reading)}
            {leading(t.part_loading(), waited(t, metrics.loading_s), &parts)}
            {leading(t.queued(), waited(t, metrics.queued_s - metrics.loading_s), &parts)}
            {leading(t.prefill(), metrics.prefill_s.map(|time| duration(t, time)), &parts)}
            {leading(t.prefill_speed(), prefill_speed(metrics).map(speed), &formulas)}
            {entry(t.prompt_tokens(), Some(prompt_tokens(t, metrics)))}
            {entry(t.output_tokens(), Some(grouped(metrics.output_tokens)))}
            {leading(t.guessed_ahead(), guesses(t, metrics), &parts)}
            {leading(t.computed_beside(), others(t, metrics.beside), &parts)}
            {leading(t.beside_engines(), engines(t, metrics), &parts)}
            {leading(t.cost_share(), Some(share(t, metrics)), &formulas)}
            {entry(t.price(), price)}
            {entry(t.model(), model)}
        </dl>
    }
    .into_any()
}

/// An entry whose number stands out from its unit.
fn figure(term: &'static str, figure: Option<String>) -> Option<AnyView> {
    figure.map(|figure| {
        let (number, unit) = match figure.rsplit_once(' ') {
            Some((number, unit)) => (number.to_owned(), Some(format!(" {unit}"))),
            None => (figure, None),
        };
        view! {
            <div class="main">
                <dt>{term}</dt>
                <dd>{number}{unit.map(|unit| view! { <span class="unit">{unit}</span> })}</dd>
            </div>
        }
        .into_any()
    })
}

fn entry(term: &'static str, figure: Option<String>) -> Option<AnyView> {
    leading(term, figure, &None)
}

/// An entry that leads to what explains it.
fn leading(term: &'static str, figure: Option<String>, to: &Option<String>) -> Option<AnyView> {
    figure.map(|figure| {
        let figure = match to.clone() {
            Some(to) => view! { <a href=to>{figure}</a> }.into_any(),
            None => figure.into_any(),
        };
        view! {
            <div>
                <dt>{term}</dt>
                <dd>{figure}</dd>
            </div>
        }
        .into_any()
    })
}

/// Nothing where it was no time.
fn waited(t: Language, seconds: f64) -> Option<String> {
    (seconds >= 0.001).then(|| duration(t, seconds))
}

fn beside_reader(t: Language, ratio: f64) -> String {
    t.reader_reads(times(ratio), READING)
}

fn against_first_bar(t: Language, seconds: f64) -> String {
    verdict(
        t,
        seconds <= FIRST_TOKEN_BAR_S,
        &t.seconds(FIRST_TOKEN_BAR_S),
    )
}

fn against_bar(t: Language, time: f64) -> String {
    let verdict = verdict(t, time <= TOKEN_BAR_MS, &t.milliseconds(TOKEN_BAR_MS));
    [milliseconds(t, time), verdict].join(t.comma())
}

fn verdict(t: Language, met: bool, bar: &str) -> String {
    match met {
        true => t.meets_bar(bar),
        false => t.misses_bar(bar),
    }
}

fn prompt_tokens(t: Language, metrics: &Metrics) -> String {
    let tokens = grouped(metrics.prompt_tokens);
    match metrics.cached_tokens {
        0 => tokens,
        cached => t.of_them_cached(tokens, grouped(cached)),
    }
}

/// Nothing where none were made.
fn guesses(t: Language, metrics: &Metrics) -> Option<String> {
    let [right, all] = [metrics.accepted_tokens, metrics.drafted_tokens].map(grouped);
    (metrics.drafted_tokens > 0).then(|| t.guesses_right(right, all))
}

/// Nothing where hardly anything was computed beside it.
fn others(t: Language, beside: f64) -> Option<String> {
    match format!("{beside:.1}").as_str() {
        "0.0" => None,
        "1.0" => Some(t.one_other().to_owned()),
        others => Some(t.others(others)),
    }
}

/// Nothing where no other model answered.
fn engines(t: Language, metrics: &Metrics) -> Option<String> {
    let others = metrics.beside_engines;
    (others > 0).then(|| t.beside_engines_up_to(others))
}

fn share(t: Language, metrics: &Metrics) -> String {
    let share = usd(metrics.usd_share);
    match (others(t, metrics.beside), metrics.usd_alone) {
        (Some(_), Some(alone)) => t.share_alone(share, usd(alone)),
        (Some(_), None) => share,
        (None, _) => t.share_of_all(share),
    }
}

#[cfg(test)]
mod tests;
