//! The bars of a comparison as a picture in a file of its own, whose colours are in it: no style sheet comes with it.

use std::fmt::Write;

use super::lane_name;
use crate::domain::{Comparison, Measurement};
use crate::figures::{duration, tokens_per_second};
use crate::language::Language;
use crate::wrapped::wrapped;

const WIDTH: f64 = 640.0;
const MARGIN: f64 = 24.0;
/// A bar may be as long as leaves room for its figure.
const LONGEST: f64 = WIDTH - 2.0 * MARGIN - 110.0;
/// Of a bar below its name, with room to the next.
const BAR: f64 = 27.0;
const HEAD: f64 = 34.0;
/// Sizes of the letters of names and of the last lines, and how far apart lines are.
const NAME: f64 = 13.0;
const FOOT: f64 = 12.0;
const LINE: f64 = 17.0;

/// Bars of time to first token and of tokens a second, and what was measured.
#[must_use]
pub fn comparison_svg(t: Language, comparison: &Comparison) -> String {
    let lanes = comparison.measured();
    let lanes = lanes.map(|lane| {
        let name = lane_name(t, &comparison.plan, &lane.lane);
        (lines(&name, NAME), lane)
    });
    let lanes: Vec<_> = lanes.collect();
    let about = [
        Some(comparison.model.clone()),
        comparison.cpu.clone(),
        Some(["Nibble", &comparison.version].join(" ")),
    ];
    let about: Vec<_> = about.into_iter().flatten().collect();
    let about = lines(&about.join(" · "), FOOT);
    let first = |lane: &Measurement| lane.first_token_s();
    let decode = |lane: &Measurement| lane.decode();
    let named: usize = lanes.iter().map(|(name, _)| name.len()).sum();
    let rows = named as f64 * LINE + lanes.len() as f64 * BAR;
    let last = (about.len() - 1) as f64 * LINE;
    let height = 2.0 * (HEAD + rows) + 3.0 * MARGIN + last;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fcfbf8\"/>\n"
    );
    let under = bars(
        &mut svg,
        MARGIN,
        t,
        t.decode_speed(),
        &lanes,
        (decode, tokens_per_second),
    );
    let under = bars(&mut svg, under, t, t.ttft(), &lanes, (first, duration));
    for (line, words) in about.iter().enumerate() {
        let y = under + 8.0 + line as f64 * LINE;
        text(&mut svg, MARGIN, y, "#5b6166", FOOT, words);
    }
    svg.push_str("</svg>\n");
    svg
}

/// What a lane has, and how it is written.
type Figure = (fn(&Measurement) -> Option<f64>, fn(Language, f64) -> String);

/// A heading and a bar for each lane under its name; says where the next may begin.
fn bars(
    svg: &mut String,
    top: f64,
    t: Language,
    title: &str,
    lanes: &[(Vec<String>, &Measurement)],
    (of, written): Figure,
) -> f64 {
    text(svg, MARGIN, top + 14.0, "#1c1f21", 16.0, title);
    let most = lanes
        .iter()
        .filter_map(|(_, lane)| of(lane))
        .fold(0.0, f64::max);
    let mut y = top + HEAD;
    for (name, lane) in lanes {
        for (line, words) in name.iter().enumerate() {
            let y = y + 10.0 + line as f64 * LINE;
            text(svg, MARGIN, y, "#5b6166", NAME, words);
        }
        y += name.len() as f64 * LINE;
        if let Some(value) = of(lane).filter(|_| most > 0.0) {
            let length = (value / most * LONGEST).max(1.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"16\" rx=\"2\" fill=\"#0d6b5b\"/>",
                y - 1.0
            );
            let figure = written(t, value);
            text(
                svg,
                MARGIN + length + 8.0,
                y + 12.0,
                "#1c1f21",
                14.0,
                &figure,
            );
        }
        y += BAR;
    }
    y
}

/// A text in lines that the picture has room for.
fn lines(words: &str, size: f64) -> Vec<String> {
    wrapped(words, (WIDTH - 2.0 * MARGIN) / size)
}

fn text(svg: &mut String, x: f64, y: f64, fill: &str, size: f64, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{fill}\" font-size=\"{size}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compared::{comparison, lane};

    #[test]
    fn lengths_are_to_each_other_as_the_figures_are() {
        let lanes = vec![lane("<a>", &[10.0], &[]), lane("b", &[120.0], &[])];
        let svg = comparison_svg(Language::English, &comparison(lanes));
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("rx="))
            .map(|line| {
                let width = line.split("width=\"").nth(1).unwrap();
                width.split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        let [slow, fast, late, soon] = widths[..] else {
            panic!("{svg}");
        };
        assert!((fast / slow - 12.0).abs() < 0.1, "{widths:?}");
        assert!((late / soon - 12.0).abs() < 0.1, "{widths:?}");
        assert!(svg.contains("&lt;a&gt; · 2 threads") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn long_names_and_the_last_lines_stay_within_the_picture() {
        let heights = |svg: &str| -> Vec<f64> {
            let after = |part: &str| part.split('"').next().unwrap().parse().unwrap();
            svg.split(" y=\"").skip(1).map(after).collect()
        };
        let of = |kernel: &str, cpu: &str| {
            let lanes = vec![lane(kernel, &[10.0], &[]), lane("b", &[120.0], &[])];
            let mut comparison = comparison(lanes);
            comparison.cpu = Some(cpu.to_owned());
            comparison_svg(Language::English, &comparison)
        };
        let (short, long) = (
            of("a", "CPU"),
            of(&"kernel ".repeat(16), &"CPU ".repeat(40)),
        );
        let longest = |svg: &str| {
            let texts = svg
                .split("</text>")
                .filter_map(|text| text.rsplit('>').next());
            texts.map(str::len).max().unwrap()
        };
        assert!(longest(&long) < 100, "{long}");
        assert!(heights(&long).len() > heights(&short).len() + 2, "{long}");
        for svg in [&short, &long] {
            let height = svg.split("viewBox=\"0 0 640 ").nth(1).unwrap();
            let height: f64 = height.split('"').next().unwrap().parse().unwrap();
            let lowest = heights(svg).into_iter().fold(0.0, f64::max);
            assert!(lowest < height && lowest > height - 60.0, "{svg}");
        }
    }
}
