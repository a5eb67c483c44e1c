use proptest::prelude::*;

use super::*;
use crate::compute::kernel;

fn sampler(sampling: Sampling) -> Sampler {
    Sampler::new(sampling, kernel::choose(Some("scalar")).unwrap(), 1)
}

/// Share of each token in many draws from probabilities 1/2, 1/4, 1/8, 1/16, 1/16.
fn shares(sampling: Sampling) -> [f64; 5] {
    let logits = [0.5f32, 0.25, 0.125, 0.0625, 0.0625].map(f32::ln);
    let mut sampler = sampler(Sampling {
        temperature: 1.0,
        ..sampling
    });
    let mut counts = [0; 5];
    for _ in 0..20_000 {
        counts[sampler.next(&logits) as usize] += 1;
    }
    counts.map(|count| f64::from(count) / 20_000.0)
}

fn assert_shares(sampling: Sampling, expected: [f64; 5]) {
    let found = shares(sampling);
    let close = found
        .iter()
        .zip(expected)
        .all(|(found, expected)| (found - expected).abs() < 0.02);
    assert!(close, "{found:?} instead of {expected:?}");
}

#[test]
fn greedy_takes_the_first_of_the_highest_and_ignores_nan() {
    let mut sampler = sampler(Sampling::default());
    assert_eq!(sampler.next(&[0.0, 3.0, f32::NAN, 3.0]), 1);
    assert_eq!(sampler.next(&[f32::NAN; 4]), 0);
}

#[test]
fn draws_follow_the_probabilities() {
    assert_shares(Sampling::default(), [0.5, 0.25, 0.125, 0.0625, 0.0625]);
}

#[test]
fn top_k_keeps_the_likeliest() {
    assert_shares(
        Sampling {
            top_k: 2,
            ..Sampling::default()
        },
        [0.667, 0.333, 0.0, 0.0, 0.0],
    );
}

#[test]
fn top_p_keeps_the_token_that_crosses_the_sum() {
    assert_shares(
        Sampling {
            top_p: 0.7,
            ..Sampling::default()
        },
        [0.667, 0.333, 0.0, 0.0, 0.0],
    );
    assert_shares(
        Sampling {
            top_p: 1e-6,
            ..Sampling::default()
        },
        [1.0, 0.0, 0.0, 0.0, 0.0],
    );
}

#[test]
fn top_p_counts_within_what_top_k_left() {
    let sampling = Sampling {
        top_k: 2,
        top_p: 0.6,
        ..Sampling::default()
    };
    assert_shares(sampling, [1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn top_p_counts_within_what_top_k_left_whatever_min_p_leaves() {
    let sampling = Sampling {
        top_k: 3,
        top_p: 0.55,
        min_p: 0.4,
        ..Sampling::default()
    };
    assert_shares(sampling, [1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn min_p_is_relative_to_the_likeliest() {
    assert_shares(
        Sampling {
            min_p: 0.2,
            ..Sampling::default()
        },
        [0.571, 0.286, 0.143, 0.0, 0.0],
    );
}

#[test]
fn a_seed_repeats_its_draws() {
    let logits: Vec<f32> = (0..100).map(|i| (i as f32 * 0.7).sin()).collect();
    let settings = |seed| Sampling {
        temperature: 1.0,
        seed: Some(seed),
        ..Sampling::default()
    };
    let draw = |seed| {
        let mut sampler = sampler(settings(seed));
        (0..20).map(|_| sampler.next(&logits)).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn even_tokens_past_a_block_are_drawn_as_often_as_others() {
    let logits = vec![0.0; 3000];
    let mut sampler = sampler(Sampling {
        temperature: 1.0,
        top_p: 0.9,
        ..Sampling::default()
    });
    let mut counts = [0; 6];
    for _ in 0..20_000 {
        counts[sampler.next(&logits) as usize / 500] += 1;
    }
    // Of equal tokens the first nine tenths are kept.
    let expected = [5.0, 5.0, 5.0, 5.0, 5.0, 2.0].map(|share| share * 20_000.0 / 27.0);
    let close = |(count, expected): (&i32, &f64)| (f64::from(*count) - expected).abs() < 300.0;
    assert!(counts.iter().zip(&expected).all(close), "{counts:?}");
}

/// The tokens to choose from, by sorting and adding up: those that top-k and min-p leave, and which of them top-p leaves
/// too. None where rounding could decide otherwise.
fn kept(sampling: Sampling, weights: &[f64]) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut order: Vec<_> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    if sampling.top_k > 0 {
        order.truncate(sampling.top_k);
    }
    let whole: f64 = order.iter().map(|token| weights[*token]).sum();
    let enough = f64::from(sampling.top_p) * whole;
    let mut before = 0.0;
    let mut reaching = Vec::new();
    for token in &order {
        if (before - enough).abs() < 1e-5 * whole && sampling.top_p < 1.0 {
            return None;
        }
        if before < enough {
            reaching.push(*token);
        }
        before += weights[*token];
    }
    let least = f64::from(sampling.min_p);
    if weights.iter().any(|weight| (weight - least).abs() < 1e-5) {
        return None;
    }
    order.retain(|token| weights[*token] >= least);
    reaching.retain(|token| weights[*token] >= least);
    order.sort_unstable();
    Some((order, reaching))
}

proptest! {
    /// Each token that the draw can meet at first is aimed at: it comes out when it is one to choose from, and one of
    /// those comes out when it is not.
    #[test]
    fn what_is_chosen_is_what_a_sort_would_keep(
        levels in proptest::collection::vec(0i8..12, 1..70),
        repeats in proptest::sample::select(vec![1usize, 40]),
        top_k in 0usize..90,
        top_p in proptest::sample::select(vec![1e-6f32, 0.1, 0.37, 0.55, 0.9, 0.95, 1.0]),
        min_p in proptest::sample::select(vec![0.0f32, 1e-4, 0.03, 0.21, 0.9]),
        next in 0.0f64..1.0,
    ) {
        let kernel = kernel::choose(None).unwrap();
        // Few levels, so that many weigh the same; repeated, they are more than a block.
        let logits: Vec<_> = levels.repeat(repeats).iter().map(|level| f32::from(*level) * -0.7).collect();
        let (_, high) = highest(&logits);
        let exact: Vec<_> = logits.iter().map(|logit| f64::from(logit - high).exp()).collect();
        let sampling = Sampling { temperature: 1.0, top_k, top_p, min_p, seed: None };
        let Some((drawn_from, kept)) = kept(sampling, &exact) else {
            return Ok(());
        };
        let whole: f64 = drawn_from.iter().map(|token| exact[*token]).sum();
        let mut reached = 0.0;
        let middles = drawn_from.into_iter().map(|token| {
            reached += exact[token];
            (token, (reached - exact[token] / 2.0) / whole)
        });
        let mut weights = TokenWeights::default();
        for (token, middle) in middles.step_by(repeats) {
            weights.weigh(kernel, &logits, high, 1.0);
            let mut shares = std::iter::once(middle).chain(std::iter::repeat(next));
            let chosen = choose(sampling, &mut weights, &mut || shares.next().unwrap());
            let chosen = chosen as usize;
            prop_assert!(kept.contains(&chosen), "{} is none of {:?}", chosen, kept);
            prop_assert!(chosen == token || !kept.contains(&token), "{} instead of {}", chosen, token);
        }
    }
}
