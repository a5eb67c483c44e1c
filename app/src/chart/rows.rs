//! Bars that lie below each other, each with its name above and its value at its end: for few things with long names.

use leptos::prelude::*;

use super::{Chart, WIDTH, at};
use crate::language::Language;

/// A bar with its name.
const ROW: f64 = 38.0;
/// The longest bar leaves room for its value.
const LONGEST: f64 = WIDTH - 84.0;

/// How high the picture is.
pub(super) fn height(chart: &Chart) -> f64 {
    chart.labels.len() as f64 * ROW
}

/// Of the first series alone.
pub(super) fn drawn(t: Language, chart: &Chart, most: f64) -> Vec<AnyView> {
    let values = chart.series.first().map(|series| &series.values);
    let value = |place: usize| values.and_then(|values| values.get(place).copied().flatten());
    let rows = chart.labels.iter().enumerate().map(|(place, label)| {
        let top = place as f64 * ROW;
        let bar = value(place).map(|value| {
            let length = (value / most.max(f64::MIN_POSITIVE) * LONGEST).max(1.0);
            view! {
                <rect class="bar" x="0" y=at(top + 17.0) width=at(length) height="13"/>
                <text class="value" x=at(length + 6.0) y=at(top + 27.5)>
                    {(chart.written)(t, value)}
                </text>
            }
        });
        view! {
            <text x="0" y=at(top + 11.0)>{label.clone()}</text>
            {bar}
        }
        .into_any()
    });
    rows.collect()
}
