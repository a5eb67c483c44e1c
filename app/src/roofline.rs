//! The roofline: how fast a machine can multiply for each byte that it reads, and where a model's prefill and decode stand
//! below that (Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785). Both axes are logarithmic.

use leptos::prelude::*;

use crate::chat::Done;
use crate::figures::{bytes, count, rate_of_bytes, rate_of_products, whole};
use crate::language::Language;

/// Where the page says how its numbers are computed.
pub(crate) const BYTES: &str = "bytes-per-token";
pub(crate) const PRODUCTS: &str = "products-per-token";
pub(crate) const INTENSITY: &str = "products-per-byte";
pub(crate) const REACHED: &str = "reached";
pub(crate) const ROOF: &str = "roof";
pub(crate) const SHARE: &str = "share-of-the-roof";

const LEFT: f64 = 106.0;
const RIGHT: f64 = 350.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 170.0;

/// What a machine can do at best, and what was done on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Roofline {
    /// Bytes a second that are read.
    pub(crate) read: f64,
    /// Multiply-accumulates a second.
    pub(crate) multiplies: f64,
    pub(crate) points: Vec<Point>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) name: &'static str,
    /// What was done.
    pub(crate) done: Done,
}

impl Roofline {
    /// The most multiply-accumulates a second at an intensity.
    pub(crate) fn roof(&self, intensity: f64) -> f64 {
        (self.read * intensity).min(self.multiplies)
    }

    /// How much of that is reached, from 0 to 1.
    pub(crate) fn share(&self, done: &Done) -> f64 {
        done.rate() / self.roof(done.intensity())
    }
}

/// From the lowest to the highest power of ten on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decades {
    from: f64,
    to: f64,
}

impl Decades {
    /// Around values above 0.
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let powers: Vec<_> = values
            .filter(|value| *value > 0.0)
            .map(f64::log10)
            .collect();
        let from = powers.iter().copied().fold(f64::INFINITY, f64::min);
        let to = powers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if from > to {
            return Self { from: 0.0, to: 1.0 };
        }
        let from = from.floor();
        Self {
            from,
            to: to.ceil().max(from + 1.0),
        }
    }

    /// Where a value lies between the ends, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        (value.log10() - self.from) / (self.to - self.from)
    }
}

/// On the page at an address its numbers are explained; it is empty on that page itself.
pub(crate) fn roofline(t: Language, line: &Roofline, at: &str) -> AnyView {
    let ridge = line.multiplies / line.read;
    let intensities = || line.points.iter().map(|point| point.done.intensity());
    let across = Decades::around(intensities().chain([ridge, ridge * 10.0]));
    let [low, high] = [across.from, across.to].map(|power| 10f64.powf(power));
    let rates = line.points.iter().map(|point| point.done.rate());
    let up = Decades::around(rates.chain([line.roof(low), line.multiplies]));
    let x = |intensity| LEFT + across.place(intensity) * (RIGHT - LEFT);
    let y = |rate| BOTTOM - up.place(rate) * (BOTTOM - TOP);
    let corner = |intensity: f64| {
        let rate = line.roof(intensity);
        format!("{:.1},{:.1}", x(intensity), y(rate))
    };
    let roof = format!("M{}L{}L{}", corner(low), corner(ridge), corner(high));
    let ends = [up.from, up.to].map(|power| {
        let rate = 10f64.powf(power);
        view! {
            <line class="grid" x1=LEFT x2=RIGHT y1=y(rate) y2=y(rate)/>
            <text x=LEFT - 5.0 y=y(rate) + 4.0 text-anchor="end">{rate_of_products(t, rate)}</text>
        }
    });
    let below = [low, high].map(|intensity| {
        let anchor = if intensity == low { "start" } else { "end" };
        view! { <text x=x(intensity) y=BOTTOM + 16.0 text-anchor=anchor>{intensity.to_string()}</text> }
    });
    let points = line.points.iter().map(|point| {
        let (x, y) = (x(point.done.intensity()), y(point.done.rate()));
        view! {
            <circle class="mark" cx=x cy=y r="3.5"/>
            <text x=x y=y + 16.0 text-anchor="middle">{point.name}</text>
        }
    });
    view! {
        <figure class="chart drawing first">
            <svg viewBox="0 0 360 206" role="img" aria-label=t.roofline_drawing()>
                {ends.collect_view()}
                {below.collect_view()}
                <text x=f64::midpoint(LEFT, RIGHT) y=BOTTOM + 32.0 text-anchor="middle">{t.products_per_byte()}</text>
                <path class="trace" d=roof/>
                {points.collect_view()}
            </svg>
            <figcaption class="note">{t.roofline_in_words()}</figcaption>
        </figure>
        {numbers(t, line, at)}
    }
    .into_any()
}

/// The numbers of the roof and of each point; they and what they are lead to how they are computed.
fn numbers(t: Language, line: &Roofline, at: &str) -> AnyView {
    let rows = line.points.iter().map(|Point { name, done }| {
        let numbers = [
            (BYTES, bytes(whole(done.bytes_per_token()))),
            (PRODUCTS, count(whole(done.multiplies_per_token()))),
            (INTENSITY, format!("{:.1}", done.intensity())),
            (REACHED, rate_of_products(t, done.rate())),
            (SHARE, format!("{:.0} %", line.share(done) * 100.0)),
        ];
        let numbers = numbers.map(|(key, number)| {
            view! { <td><a href=format!("{at}#{key}")>{number}</a></td> }
        });
        view! {
            <tr>
                <th scope="row">{*name}</th>
                {numbers.into_iter().collect_view()}
            </tr>
        }
    });
    let heads = [
        (BYTES, t.bytes_per_token()),
        (PRODUCTS, t.products_per_token()),
        (INTENSITY, t.products_per_byte()),
        (REACHED, t.reached()),
        (SHARE, t.of_the_roof()),
    ];
    let heads = heads.map(|(key, name)| {
        view! { <th scope="col"><a href=format!("{at}#{key}")>{name}</a></th> }
    });
    let roof = t.roof_of(
        rate_of_bytes(t, line.read),
        rate_of_products(t, line.multiplies),
    );
    let roof = view! { <p class="note"><a href=format!("{at}#{ROOF}")>{roof}</a></p> };
    if line.points.is_empty() {
        return roof.into_any();
    }
    view! {
        {roof}
        <div class="wide-table" tabindex="0" role="region" aria-label=t.numbers_of_roofline()>
            <table>
                <thead>
                    <tr>
                        <th scope="col">{t.part()}</th>
                        {heads.into_iter().collect_view()}
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Roofline {
        // So many multiply-accumulates for each of a thousand bytes of a token.
        let point = |name, intensity: u64, tokens_per_second| Point {
            name,
            done: Done {
                answers: 1,
                tokens: 1,
                weight_bytes: 1000,
                kv_bytes: 0,
                multiplies: intensity * 1000,
                tokens_per_second,
            },
        };
        Roofline {
            read: 40e9,
            multiplies: 400e9,
            points: vec![point("decode", 2, 20e6), point("prefill", 400, 500e3)],
        }
    }

    #[test]
    fn memory_bounds_what_reads_much_and_multipliers_the_rest() {
        let line = line();
        assert_eq!(line.roof(2.0), 80e9);
        assert_eq!(line.roof(10.0), 400e9);
        let shares: Vec<_> = line
            .points
            .iter()
            .map(|point| line.share(&point.done))
            .collect();
        assert_eq!(shares, [0.5, 0.5]);
    }

    #[test]
    fn axes_are_whole_powers_of_ten() {
        let axis = Decades::around([3.0, 250.0].into_iter());
        assert_eq!(axis, Decades { from: 0.0, to: 3.0 });
        assert_eq!((axis.place(1.0), axis.place(1000.0)), (0.0, 1.0));
        assert!((axis.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(
            Decades::around([0.0].into_iter()),
            Decades { from: 0.0, to: 1.0 }
        );
        assert_eq!(
            Decades::around([10.0].into_iter()),
            Decades { from: 1.0, to: 2.0 }
        );
    }

    #[test]
    fn every_point_is_drawn_and_told() {
        let html = Owner::new().with(|| roofline(Language::English, &line(), "").to_html());
        assert_eq!(html.matches("<circle").count(), 2, "{html}");
        let share = "<td><a href=\"#share-of-the-roof\">50 %</a></td>";
        assert_eq!(html.matches(share).count(), 2, "{html}");
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
}
