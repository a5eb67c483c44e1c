//! What an answer took and cost.

use leptos::prelude::*;

use crate::chat::Metrics;
use crate::figures::{duration, grouped, tokens_per_second, usd};

/// Ten tokens a second: about as fast as people read.
const BAR_MS: f64 = 100.0;

/// The metrics of an answer: the five that matter, then where they come from.
#[component]
pub(crate) fn Metrics(metrics: Metrics) -> impl IntoView {
    let Metrics {
        time_to_first_token_s,
        decode_tokens_per_second,
        usd_per_million_tokens,
        ..
    } = metrics;
    view! {
        <div class="metrics" role="group" aria-label="Metrics">
            <dl class="figures">
                {figure("Time to first token", time_to_first_token_s.map(duration))}
                {figure("Decode speed", decode_tokens_per_second.map(tokens_per_second))}
                {figure("Cost per million tokens", usd_per_million_tokens.map(usd))}
                {figure("Total time", Some(duration(metrics.total_s)))}
                {figure("Total cost", Some(usd(metrics.usd_total)))}
            </dl>
            <dl class="details">
                {entry("Time per token", metrics.time_per_output_token_ms.map(against_bar))}
                {entry("Queued", (metrics.queued_s >= 0.001).then(|| duration(metrics.queued_s)))}
                {entry("Prefill", metrics.prefill_s.map(duration))}
                {entry("Prefill speed", metrics.prefill_tokens_per_second.map(tokens_per_second))}
                {entry("Prompt tokens", Some(prompt_tokens(&metrics)))}
                {entry("Output tokens", Some(grouped(metrics.output_tokens)))}
                {entry("Computed beside", others(metrics.beside))}
                {entry("Share of the cost", Some(share(&metrics)))}
            </dl>
        </div>
    }
}

/// An entry whose number stands out from its unit.
fn figure(term: &'static str, figure: Option<String>) -> Option<AnyView> {
    figure.map(|figure| {
        let (number, unit) = match figure.rsplit_once(' ') {
            Some((number, unit)) => (number.to_owned(), Some(format!(" {unit}"))),
            None => (figure, None),
        };
        view! {
            <div>
                <dt>{term}</dt>
                <dd>{number}{unit.map(|unit| view! { <span class="unit">{unit}</span> })}</dd>
            </div>
        }
        .into_any()
    })
}

fn entry(term: &'static str, figure: Option<String>) -> Option<impl IntoView> {
    figure.map(|figure| {
        view! {
            <div>
                <dt>{term}</dt>
                <dd>{figure}</dd>
            </div>
        }
    })
}

fn against_bar(milliseconds: f64) -> String {
    let verdict = if milliseconds <= BAR_MS {
        "✓ meets"
    } else {
        "✗ misses"
    };
    format!("{milliseconds:.1} ms, {verdict} the {BAR_MS} ms bar")
}

fn prompt_tokens(metrics: &Metrics) -> String {
    match metrics.cached_tokens {
        0 => grouped(metrics.prompt_tokens),
        cached => format!(
            "{}, {} of them cached",
            grouped(metrics.prompt_tokens),
            grouped(cached)
        ),
    }
}

/// Nothing where hardly anything was computed beside it.
fn others(beside: f64) -> Option<String> {
    match format!("{beside:.1}").as_str() {
        "0.0" => None,
        "1.0" => Some("1 other on average".to_owned()),
        others => Some(format!("{others} others on average")),
    }
}

fn share(metrics: &Metrics) -> String {
    let share = usd(metrics.usd_share);
    match (others(metrics.beside), metrics.usd_alone) {
        (Some(_), Some(alone)) => format!("{share}, alone about {}", usd(alone)),
        (Some(_), None) => share,
        (None, _) => format!("{share}, nothing beside it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(metrics: Metrics) -> String {
        Owner::new().with(|| view! { <Metrics metrics=metrics/> }.to_html())
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let html = html(Metrics {
            total_s: 0.5,
            output_tokens: 1,
            ..Metrics::default()
        });
        for absent in [
            "Time to first token",
            "Decode speed",
            "Cost per",
            "Prefill",
            "Queued",
        ] {
            assert!(!html.contains(absent), "{absent} in {html}");
        }
        assert!(
            html.contains("<dd>500<span class=\"unit\"> ms</span></dd>"),
            "{html}"
        );
    }

    #[test]
    fn the_bar_is_met_or_missed_in_words() {
        assert_eq!(against_bar(100.0), "100.0 ms, ✓ meets the 100 ms bar");
        assert_eq!(against_bar(100.1), "100.1 ms, ✗ misses the 100 ms bar");
    }

    #[test]
    fn an_answer_in_company_shows_its_share_and_what_it_would_have_cost_alone() {
        let mut metrics = Metrics {
            usd_share: 0.000_02,
            usd_alone: Some(0.000_05),
            beside: 0.04,
            ..Metrics::default()
        };
        assert_eq!(others(metrics.beside), None);
        assert_eq!(share(&metrics), "$0.0000200, nothing beside it");
        metrics.beside = 2.34;
        assert_eq!(
            others(metrics.beside).as_deref(),
            Some("2.3 others on average")
        );
        assert_eq!(share(&metrics), "$0.0000200, alone about $0.0000500");
        metrics.usd_alone = None;
        assert_eq!(share(&metrics), "$0.0000200");
    }

    #[test]
    fn cached_tokens_are_told_apart() {
        let mut metrics = Metrics {
            prompt_tokens: 40,
            ..Metrics::default()
        };
        assert_eq!(prompt_tokens(&metrics), "40");
        metrics.cached_tokens = 30;
        assert_eq!(prompt_tokens(&metrics), "40, 30 of them cached");
    }
}
