//! Bars that lie below each other, each with its name above and its value at its end: for few things with long names.

use leptos::prelude::*;

use super::{Chart, WIDTH, at};
use crate::language::Language;
use crate::wrapped::wrapped;

/// A line of a name, whose letters have the size that the style sheet gives those of charts.
const LINE: f64 = 12.0;
const LETTERS: f64 = 10.0;
/// A bar below its name, with room to the next.
const BAR: f64 = 26.0;
/// The longest bar leaves room for its value.
const LONGEST: f64 = WIDTH - 84.0;

/// How high the picture is.
pub(super) fn height(chart: &Chart) -> f64 {
    let lines: usize = chart.labels.iter().map(|label| lines(label).len()).sum();
    lines as f64 * LINE + chart.labels.len() as f64 * BAR
}

/// Of the first series alone.
pub(super) fn drawn(t: Language, chart: &Chart, most: f64) -> Vec<AnyView> {
    let values = chart.series.first().map(|series| &series.values);
    let value = |place: usize| values.and_then(|values| values.get(place).copied().flatten());
    let mut top = 0.0;
    let rows = chart.labels.iter().enumerate().map(|(place, label)| {
        let lines = lines(label);
        let begin = top;
        let below = begin + lines.len() as f64 * LINE;
        top = below + BAR;
        let lines = lines.into_iter().enumerate().map(|(line, words)| {
            let y = begin + 11.0 + line as f64 * LINE;
            view! { <text x="0" y=at(y)>{words}</text> }
        });
        let bar = value(place).map(|value| {
            let length = (value / most.max(f64::MIN_POSITIVE) * LONGEST).max(1.0);
            view! {
                <rect class="bar" x="0" y=at(below + 5.0) width=at(length) height="13"/>
                <text class="value" x=at(length + 6.0) y=at(below + 15.5)>
                    {(chart.written)(t, value)}
                </text>
            }
        });
        view! {
            {lines.collect_view()}
            {bar}
        }
        .into_any()
    });
    rows.collect()
}

fn lines(label: &str) -> Vec<String> {
    wrapped(label, WIDTH / LETTERS)
}
