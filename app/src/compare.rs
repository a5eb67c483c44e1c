//! Comparisons of lanes: the form that asks for one, what its figures say in words, and what they come to elsewhere. Plain
//! data and text, nothing of pages.

use crate::domain::{Agreement, Comparison, Lane, Measurement, Plan, Weights};
use crate::figures::{duration, ratio};
use crate::language::Language;

mod csv;
mod elsewhere;
mod form;
mod svg;

pub use self::csv::comparison_csv;
pub(crate) use self::elsewhere::{
    API, API_FIELD, Basis, Elsewhere, Place, TARIFF, TARIFF_FIELD, WATTS, WATTS_FIELD,
};
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

/// A lane of a plan in words, with its model where lanes differ in that.
pub fn lane_name(t: Language, plan: &Plan, lane: &Lane) -> String {
    let model = plan.has_several_models().then(|| lane.model.clone());
    let mut parts: Vec<_> = model.into_iter().collect();
    parts.extend([lane.kernel.clone(), t.threads(lane.threads)]);
    if lane.weights != Weights::Served {
        parts.push(weights_name(t, lane.weights).to_owned());
    }
    parts.join(" · ")
}

/// What a lane of a plan is beside the first, a sentence for each figure.
pub(crate) fn beside(
    t: Language,
    plan: &Plan,
    lane: &Measurement,
    first: &Measurement,
) -> Vec<String> {
    let name = lane_name(t, plan, &lane.lane);
    let base = lane_name(t, plan, &first.lane);
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

/// Whether the tokens of all lanes are the same, or from where on they are not. A lane is told beside the first of its model,
/// as tokens of two models have nothing in common.
pub(crate) fn agreements(t: Language, comparison: &Comparison) -> Vec<String> {
    let plan = &comparison.plan;
    let measured: Vec<_> = comparison.measured().collect();
    let Some((first, others)) = measured.split_first() else {
        return Vec::new();
    };
    let told = others.iter().enumerate().filter_map(|(place, lane)| {
        let name = lane_name(t, plan, &lane.lane);
        let mut before = measured[..=place].iter();
        let Some(base) = before.find(|before| before.lane.model == lane.lane.model) else {
            return Some(t.tokens_of_another_model(name, lane_name(t, plan, &first.lane)));
        };
        let base_name = lane_name(t, plan, &base.lane);
        match lane.agreement(base) {
            Agreement::From(token) => Some(t.tokens_differ(name, token, base_name)),
            Agreement::Same(_) if !plan.has_several_models() => None,
            Agreement::Same(tokens) => Some(t.tokens_same_as(name, base_name, tokens)),
        }
    });
    let told: Vec<_> = told.collect();
    match told.is_empty() && !others.is_empty() {
        true => vec![t.tokens_same(first.tokens.len())],
        false => told,
    }
}

/// Dollars for decoding a million tokens at a speed, on a machine at a price: neither waiting nor prompts count.
pub(crate) fn decoding_usd_per_million(usd_per_hour: f64, speed: f64) -> f64 {
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
        let plan = Plan::default();
        let said = beside(English, &plan, &fast, &slow);
        let times = fast.decode().unwrap() / slow.decode().unwrap();
        assert!((times - 12.0).abs() < 1e-9);
        assert_eq!(
            said,
            [
                "avx2 · 2 threads writes 12 times as fast as scalar · 2 threads.",
                "Its first token comes 12 times as soon, after 83 ms instead of 1.00 s."
            ]
        );
        let said = beside(English, &plan, &slow, &fast);
        assert_eq!(
            said[0],
            "scalar · 2 threads takes 12 times as long for a token as avx2 · 2 threads."
        );
        assert!(said[1].contains("takes 12 times as long"), "{said:?}");
        let said = beside(English, &plan, &slow, &slow);
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

    #[test]
    fn lanes_of_different_models_are_told_apart_by_name_and_not_by_their_tokens() {
        let of = |model: &str, kernel: &str, tokens: &[u32]| {
            let mut lane = lane(kernel, &[10.0], tokens);
            lane.lane.model = model.to_owned();
            lane
        };
        let lanes = vec![
            of("small", "avx2", &[1, 2]),
            of("large", "avx2", &[1, 2]),
            of("large", "scalar", &[1, 2]),
            of("small", "scalar", &[1, 3]),
        ];
        let several = comparison(lanes);
        assert_eq!(
            agreements(English, &several),
            [
                "large · avx2 · 2 threads is of another model than small · avx2 · 2 threads: their tokens are not compared.",
                "large · scalar · 2 threads gave the same tokens as large · avx2 · 2 threads: 2.",
                "small · scalar · 2 threads differs from token 2 on from small · avx2 · 2 threads."
            ]
        );
        let (plan, lanes) = (&several.plan, &several.lanes);
        assert_eq!(
            beside(English, plan, &lanes[1], &lanes[0])[0],
            "large · avx2 · 2 threads writes about as fast as small · avx2 · 2 threads."
        );
        let one = comparison(lanes[1..3].to_vec());
        assert_eq!(
            agreements(English, &one),
            ["All lanes gave the same 2 tokens."]
        );
        let name = lane_name(English, &one.plan, &one.plan.lanes[0]);
        assert_eq!(name, "avx2 · 2 threads");
    }
}
