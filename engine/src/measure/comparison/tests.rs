//! The table of the tiny checkpoint, and distances worked by hand.

use super::*;
use crate::measure::perplexity;

const TEXT: &str =
    "The quick brown fox jumps over the lazy dog, and then it does so again and again.";

fn options(choices: &[&str]) -> Options {
    let int4 = choices.iter().map(|name| match name.parse() {
        Ok(Quantize::Int4(int4)) => int4,
        other => panic!("{other:?}"),
    });
    Options {
        model: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf").into(),
        text: TEXT.into(),
        window: Some(16),
        choices: int4.collect(),
        threads: Some(2),
        ..Options::default()
    }
}

#[test]
fn a_divergence_is_that_of_its_definition() {
    // Probabilities 1/2, 1/4, 1/4 against 1/4, 1/4, 1/2.
    let expected = [2.0f32.ln(), 0.0, 0.0];
    let found = [5.0, 5.0, 5.0 + 2.0f32.ln()];
    let Distance { divergence, agrees } = distance(&found, &expected);
    assert!(
        (divergence - 0.25 * 2.0f64.ln()).abs() < 1e-6,
        "{divergence}"
    );
    assert!(!agrees);
    let same = distance(&expected, &expected);
    assert!(same.divergence == 0.0 && same.agrees);
}

#[test]
fn every_choice_has_the_perplexity_that_it_has_alone() {
    let calibration = Some(Calibration("again and again".into()));
    let options = Options {
        calibration: calibration.clone(),
        ..options(&["channel", "g32"])
    };
    let mut told = Vec::new();
    let report = run(&options, |choice, done, all| {
        told.push((choice.to_owned(), done, all));
    });
    let report = report.unwrap();
    let rows = report.choices.iter();
    let rows: Vec<_> = rows.map(|row| (&*row.quantize, row.calibrated)).collect();
    let expected = [
        ("none", false),
        ("channel", false),
        ("channel", true),
        ("g32", false),
        ("g32", true),
    ];
    assert_eq!(rows, expected);
    assert_eq!(told.len(), expected.len() * report.windows);
    for row in &report.choices {
        let alone = perplexity::Options {
            model: options.model.clone(),
            text: TEXT.into(),
            window: Some(16),
            threads: Some(1),
            rounding: Rounding {
                quantize: row.quantize.parse().unwrap(),
                ..Rounding::default()
            },
            calibration: calibration.clone().filter(|_| row.calibrated),
            ..perplexity::Options::default()
        };
        let alone = perplexity::run(&alone, |_, _, _| {}).unwrap();
        assert!((row.perplexity - alone.perplexity).abs() < 1e-9, "{row:?}");
        assert_eq!(
            (report.tokens, report.windows),
            (alone.tokens, alone.windows)
        );
    }
    let [none, channel, ..] = &report.choices[..] else {
        panic!("{report:?}");
    };
    assert_eq!((none.kl_divergence, none.top_1_agreement), (0.0, 1.0));
    assert!(channel.kl_divergence > 0.0 && channel.top_1_agreement < 1.0);
    assert!(channel.bits_per_weight < none.bits_per_weight);
}

#[test]
fn four_bits_for_head_and_embedding_are_those_of_every_choice() {
    let bits = |int4_head, int4_embedding| {
        let options = Options {
            int4_head,
            int4_embedding,
            ..options(&["g32"])
        };
        let report = run(&options, |_, _, _| {}).unwrap();
        report
            .choices
            .iter()
            .map(|row| row.bits_per_weight)
            .collect::<Vec<_>>()
    };
    let [eight, embedding, both] =
        [(false, false), (false, true), (true, true)].map(|(a, b)| bits(a, b));
    assert!(eight[0] == embedding[0] && eight[0] == both[0]);
    assert!(eight[1] > embedding[1] && embedding[1] > both[1]);
}
