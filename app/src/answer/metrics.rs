//! What an answer took and cost.

use leptos::prelude::*;

use crate::chat::Figures;
use crate::figures::{duration, grouped, tokens_per_second, usd};

/// Ten tokens a second: about as fast as people read.
const BAR_MS: f64 = 100.0;

/// The figures of an answer: the five that matter, then where they come from.
#[component]
pub(crate) fn Metrics(figures: Figures) -> impl IntoView {
    let Figures {
        time_to_first_token_s,
        decode_tokens_per_second,
        usd_per_million_tokens,
        ..
    } = figures;
    view! {
        <div class="metrics" role="group" aria-label="Metrics">
            <dl class="figures">
                {figure("Time to first token", time_to_first_token_s.map(duration))}
                {figure("Decode speed", decode_tokens_per_second.map(tokens_per_second))}
                {figure("Cost per million tokens", usd_per_million_tokens.map(usd))}
                {figure("Total time", Some(duration(figures.total_s)))}
                {figure("Total cost", Some(usd(figures.usd_total)))}
            </dl>
            <dl class="details">
                {entry("Time per token", figures.time_per_output_token_ms.map(against_bar))}
                {entry("Queued", (figures.queued_s >= 0.001).then(|| duration(figures.queued_s)))}
                {entry("Prefill", figures.prefill_s.map(duration))}
                {entry("Prefill speed", figures.prefill_tokens_per_second.map(tokens_per_second))}
                {entry("Prompt tokens", Some(prompt_tokens(&figures)))}
                {entry("Output tokens", Some(grouped(figures.output_tokens)))}
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

fn prompt_tokens(figures: &Figures) -> String {
    match figures.cached_tokens {
        0 => grouped(figures.prompt_tokens),
        cached => format!(
            "{}, {} of them cached",
            grouped(figures.prompt_tokens),
            grouped(cached)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(figures: Figures) -> String {
        Owner::new().with(|| view! { <Metrics figures=figures/> }.to_html())
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let html = html(Figures {
            total_s: 0.5,
            output_tokens: 1,
            ..Figures::default()
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
    fn cached_tokens_are_told_apart() {
        let mut figures = Figures {
            prompt_tokens: 40,
            ..Figures::default()
        };
        assert_eq!(prompt_tokens(&figures), "40");
        figures.cached_tokens = 30;
        assert_eq!(prompt_tokens(&figures), "40, 30 of them cached");
    }
}
