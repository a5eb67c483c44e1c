//! Comparisons of lanes: the form that asks for one, what its figures say in words, and what they come to elsewhere. Plain
//! data and text, nothing of pages.

use crate::domain::{Agreement, Comparison, Lane, Measurement, Weights};
use crate::figures::{duration, ratio};
use crate::language::Language;

mod csv;
mod elsewhere;
mod form;
mod svg;

pub use self::csv::comparison_csv;
pub(crate) use self::elsewhere::{Basis, Elsewhere};
pub use self::form::{CompareForm, CompareRefused, TOKENS, not_allowed};
pub(crate) use self::form::{LaneForm, Preset, ROUNDS, field_names};
pub use self::svg::comparison_svg;

/// Ratios that are nearer to 1 say more of chance than of lanes.
const ALIKE: f64 = 0.05;

/// What people call the way in which weights are held.
pub(crate) fn weights_name(t: Language, weights: Weights) -> &'static str {
    match weights {
        Weights::Served => t.weights_served(),
        Weights::Group32 => t.weights_group32(),
        Weights::Channel => t.weights_channel(),
        Weights::Float => t.weights_float(),
        Weights::Head4 => t.weights_head4(),
    }
}

/// A lane in words.
pub fn lane_name(t: Language, lane: &Lane) -> String {
    let mut parts = vec![lane.kernel.clone(), t.threads(lane.threads)];
    if lane.weights != Weights::Served {
        parts.push(weights_name(t, lane.weights).to_owned());
    }
    parts.join(" · ")
}

/// What a lane is beside the first, a sentence for each figure.
pub(crate) fn beside(t: Language, lane: &Measurement, first: &Measurement) -> Vec<String> {
    let (name, base) = (lane_name(t, &lane.lane), lane_name(t, &first.lane));
    let decode = lane.decode().zip(first.decode());
    let decode = decode.map(|(own, base_speed)| match own / base_speed {
        times if is_one(times) => t.writes_alike(&name, &base),
        times if times > 1.0 => t.writes_times(&name, ratio(times), &base),
        times => t.writes_slower(&name, ratio(1.0 / times), &base),
    });
    let token = lane.first_token_s().zip(first.first_token_s());
    let token = token.map(|(own, before)| {
        let (after, instead) = (duration(t, own), duration(t, before));
        match before / own {
            times if is_one(times) => t.first_token_alike(after, instead),
            times if times > 1.0 => t.first_token_sooner(ratio(times), after, instead),
            times => t.first_token_later(ratio(1.0 / times), after, instead),
        }
    });
    decode.into_iter().chain(token).collect()
}

fn is_one(times: f64) -> bool {
    (times - 1.0).abs() < ALIKE
}

/// Whether the tokens of all lanes are the same, or from where on they are not.
pub(crate) fn agreements(t: Language, comparison: &Comparison) -> Vec<String> {
    let mut lanes = comparison.measured();
    let Some(first) = lanes.next() else {
        return Vec::new();
    };
    let others: Vec<_> = lanes.collect();
    let parted = others.iter().filter_map(|lane| {
        let Agreement::From(token) = lane.agreement(first) else {
            return None;
        };
        let (name, base) = (lane_name(t, &lane.lane), lane_name(t, &first.lane));
        Some(t.tokens_differ(name, token, base))
    });
    let parted: Vec<_> = parted.collect();
    match (others.is_empty(), parted.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => vec![t.tokens_same(first.tokens.len())],
        (false, false) => parted,
    }
}

/// Dollars for a million tokens that come at a speed, of a machine at a price.
pub(crate) fn usd_per_million(usd_per_hour: f64, speed: f64) -> f64 {
    usd_per_hour / 3600.0 / speed * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compared::{comparison, lane};
    use crate::language::Language::English;

    #[test]
    fn the_ratio_in_words_is_that_of_the_lanes() {
        let slow = lane("scalar", &[10.0, 11.0, 9.0], &[1, 2]);
        let fast = lane("avx2", &[118.0, 120.0, 125.0], &[1, 2]);
        let said = beside(English, &fast, &slow);
        let times = fast.decode().unwrap() / slow.decode().unwrap();
        assert!((times - 12.0).abs() < 1e-9);
        assert_eq!(
            said,
            [
                "avx2 · 2 threads writes 12 times as fast as scalar · 2 threads.",
                "Its first token comes 12 times as soon, after 83 ms instead of 1.00 s."
            ]
        );
        let said = beside(English, &slow, &fast);
        assert_eq!(
            said[0],
            "scalar · 2 threads takes 12 times as long for a token as avx2 · 2 threads."
        );
        assert!(said[1].contains("takes 12 times as long"), "{said:?}");
        let said = beside(English, &slow, &slow);
        assert!(said[0].contains("about as fast"), "{said:?}");
    }

    #[test]
    fn lanes_are_told_apart_by_what_differs_in_their_tokens() {
        let same = comparison(vec![lane("a", &[1.0], &[1, 2]), lane("b", &[1.0], &[1, 2])]);
        let said = agreements(English, &same);
        assert_eq!(said, ["All lanes gave the same 2 tokens."]);
        let other = comparison(vec![lane("a", &[1.0], &[1, 2]), lane("b", &[1.0], &[1, 3])]);
        let said = agreements(English, &other);
        assert!(said[0].contains("from token 2 on"), "{said:?}");
        assert!(agreements(English, &comparison(vec![lane("a", &[1.0], &[])])).is_empty());
    }
}
