//! Charts as SVG, made on the server: points with lines, or bars, over labels, and their numbers in a table to unfold.
//!
//! Series differ by marks and dashes as well as by colour. Colours come from the style sheet, so that light, dark and forced
//! ones hold.

use leptos::prelude::*;

use crate::language::Language;

mod rows;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 352.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 160.0;

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A point for each, with lines between them.
    Lines,
    /// A bar for each; of the first series alone.
    Bars,
    /// The same, lying: their labels may be long.
    Rows,
}

/// Values over labels.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    /// What the labels are.
    pub(crate) over: &'static str,
    pub(crate) labels: Vec<String>,
    pub(crate) series: Vec<Series>,
    /// A value with its unit.
    pub(crate) written: fn(Language, f64) -> String,
    /// What values are to reach, where lines are to reach something.
    pub(crate) aim: Option<f64>,
}

/// A name, and a value for each label where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) values: Vec<Option<f64>>,
}

/// The chart with its table.
pub(crate) fn figure(t: Language, chart: &Chart) -> AnyView {
    let values = || chart.series.iter().flat_map(|series| &series.values);
    let Some(most) = values().flatten().copied().reduce(f64::max) else {
        return view! {
            <figure class="chart">
                <figcaption>{chart.title.clone()}</figcaption>
                <p class="note">{t.nothing_measured()}</p>
            </figure>
        }
        .into_any();
    };
    let height = match chart.kind {
        Kind::Rows => rows::height(chart),
        Kind::Lines | Kind::Bars => HEIGHT,
    };
    let label = t.chart_of(&chart.title, names(t, chart));
    view! {
        <figure class="chart">
            <figcaption>{chart.title.clone()}</figcaption>
            {(chart.series.len() > 1).then(|| legend(chart))}
            <svg viewBox=format!("0 0 {WIDTH} {height}") role="img" aria-label=label>
                {picture(t, chart, most)}
            </svg>
            <details>
                <summary>{t.numbers()}<span class="unseen">{t.numbers_of(&chart.title)}</span></summary>
                {table(t, chart)}
            </details>
        </figure>
    }
    .into_any()
}

fn picture(t: Language, chart: &Chart, most: f64) -> Vec<AnyView> {
    let scale = Scale {
        labels: chart.labels.len(),
        top: round_above(chart.aim.map_or(most, |aim| most.max(aim))),
    };
    let drawn = match chart.kind {
        Kind::Lines => lines(chart, scale),
        Kind::Bars => bars(chart, scale),
        Kind::Rows => return rows::drawn(t, chart, most),
    };
    let around = grid(t, chart, scale).into_iter().chain(below(chart, scale));
    let aim = chart.aim.map(|aim| self::aim(t, chart, scale, aim));
    around.chain(aim).chain(drawn).collect()
}

/// Where values and labels lie.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    labels: usize,
    /// The value at the upper edge.
    top: f64,
}

impl Scale {
    /// The middle of a label's place.
    fn x(self, label: usize) -> f64 {
        LEFT + (label as f64 + 0.5) * self.step()
    }

    fn step(self) -> f64 {
        (RIGHT - LEFT) / self.labels.max(1) as f64
    }

    fn y(self, value: f64) -> f64 {
        BOTTOM - value / self.top * (BOTTOM - TOP)
    }
}

/// The least of 1, 2, 4, 5 and 10 times a power of ten that is no less than a value.
fn round_above(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0];
    let fits = steps.into_iter().find(|step| step * power >= value);
    fits.unwrap_or(10.0) * power
}

fn names(t: Language, chart: &Chart) -> String {
    let names: Vec<_> = chart.series.iter().map(|series| series.name).collect();
    names.join(t.comma())
}

fn class(series: usize) -> &'static str {
    match series {
        0 => "first",
        1 => "second",
        _ => "third",
    }
}

fn grid(t: Language, chart: &Chart, scale: Scale) -> Vec<AnyView> {
    let lines = [0.0, 0.5, 1.0].map(|share| {
        let value = scale.top * share;
        let y = at(scale.y(value));
        let text = match share {
            0.0 => "0".to_owned(),
            _ => (chart.written)(t, value),
        };
        view! {
            <line class="grid" x1=at(LEFT) y1=y.clone() x2=at(RIGHT) y2=y.clone()/>
            <text x=at(LEFT - 5.0) y=y dy="0.35em" text-anchor="end">{text}</text>
        }
        .into_any()
    });
    lines.into()
}

/// A line that values are to reach, and which it is.
fn aim(t: Language, chart: &Chart, scale: Scale, aim: f64) -> AnyView {
    let y = scale.y(aim);
    view! {
        <line class="aim" x1=at(LEFT) y1=at(y) x2=at(RIGHT) y2=at(y)/>
        <text x=at(RIGHT) y=at(y + 12.0) text-anchor="end">{t.aim_of((chart.written)(t, aim))}</text>
    }
    .into_any()
}

/// As many of the labels as have room.
fn below(chart: &Chart, scale: Scale) -> Vec<AnyView> {
    // A character takes some 5.6 units.
    let longest = chart.labels.iter().map(|label| label.chars().count()).max();
    let longest = longest.unwrap_or(0) as f64 * 5.6 + 4.0;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few dozen at most"
    )]
    let every = (longest / scale.step()).ceil().max(1.0) as usize;
    let labels = chart.labels.iter().enumerate().step_by(every);
    labels
        .map(|(place, label)| {
            view! {
                <text x=at(scale.x(place)) y=at(BOTTOM + 16.0) text-anchor="middle">{label.clone()}</text>
            }
            .into_any()
        })
        .collect()
}

fn lines(chart: &Chart, scale: Scale) -> Vec<AnyView> {
    let series = chart.series.iter().enumerate();
    series
        .map(|(number, series)| {
            let marks = points(series, scale);
            view! {
                <g class=class(number)>
                    <path class="trace" d=trace(&marks)/>
                    {marks.into_iter().map(|(x, y)| mark(number, x, y)).collect::<Vec<_>>()}
                </g>
            }
            .into_any()
        })
        .collect()
}

fn bars(chart: &Chart, scale: Scale) -> Vec<AnyView> {
    let first = chart.series.iter().take(1);
    first
        .flat_map(|series| points(series, scale))
        .map(|(x, y)| {
            let width = scale.step() * 0.7;
            view! {
                <rect
                    class="bar"
                    x=at(x - width / 2.0)
                    y=at(y)
                    width=at(width)
                    height=at(BOTTOM - y)
                />
            }
            .into_any()
        })
        .collect()
}

fn points(series: &Series, scale: Scale) -> Vec<(f64, f64)> {
    let values = series.values.iter().enumerate();
    values
        .filter_map(|(label, value)| Some((scale.x(label), scale.y((*value)?))))
        .collect()
}

fn trace(points: &[(f64, f64)]) -> String {
    let points: Vec<_> = points
        .iter()
        .map(|(x, y)| format!("{},{}", at(*x), at(*y)))
        .collect();
    match points.is_empty() {
        true => String::new(),
        false => format!("M{}", points.join("L")),
    }
}

/// A dot, a diamond that is hollow, or a square.
fn mark(series: usize, x: f64, y: f64) -> AnyView {
    if series == 0 {
        return view! { <circle class="mark" cx=at(x) cy=at(y) r="2.6"/> }.into_any();
    }
    let corners = match series {
        1 => [(x, y - 3.6), (x + 3.6, y), (x, y + 3.6), (x - 3.6, y)],
        _ => [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            .map(|(right, down)| (x + 2.2 * f64::from(right), y + 2.2 * f64::from(down))),
    };
    view! { <path class="mark" d=format!("{}Z", trace(&corners))/> }.into_any()
}

fn legend(chart: &Chart) -> AnyView {
    let entries = chart.series.iter().enumerate().map(|(number, series)| {
        view! {
            <li>
                <svg viewBox="0 0 28 10" width="28" height="10" aria-hidden="true" class=class(number)>
                    <path class="trace" d="M0,5L28,5"/>
                    {mark(number, 14.0, 5.0)}
                </svg>
                {series.name}
            </li>
        }
    });
    view! { <ul class="legend">{entries.collect_view()}</ul> }.into_any()
}

fn table(t: Language, chart: &Chart) -> AnyView {
    let heads = chart.series.iter();
    let heads = heads.map(|series| view! { <th scope="col">{series.name}</th> });
    let rows = chart.labels.iter().enumerate().map(|(place, label)| {
        let values = chart.series.iter().map(|series| {
            let value = series.values.get(place).copied().flatten();
            view! { <td>{value.map(|value| (chart.written)(t, value))}</td> }
        });
        view! {
            <tr>
                <th scope="row">{label.clone()}</th>
                {values.collect_view()}
            </tr>
        }
    });
    view! {
        <table>
            <thead>
                <tr>
                    <th scope="col">{chart.over}</th>
                    {heads.collect_view()}
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// A length in the picture: a tenth of its unit is less than is seen.
fn at(length: f64) -> String {
    format!("{length:.1}")
}

#[cfg(test)]
mod tests;
