//! What is measured on a text, and what comes of it.

use std::path::Path;

use super::*;
use crate::compute::kernel;
use crate::measure::perplexity;
use crate::model::weights::{LayerSite, MatmulSite};

const TEXT: &str =
    "The quick brown fox jumps over the lazy dog, and then it does so again and again.";

fn tiny() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/tiny.gguf"
    ))
}

#[test]
fn every_matrix_gets_the_mean_squares_of_its_columns() {
    let source = ModelSource::open(tiny()).unwrap();
    let config = source.config();
    let fastest = kernel::choose(None).unwrap();
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let measured = measure(TEXT, &source, fastest, 2).unwrap();
    assert_eq!(measured.len(), 4 * config.layers + 1);
    let q_dim = config.heads * config.head_dim;
    for (site, columns) in &measured {
        let width = match site {
            MatmulSite::Layer(_, LayerSite::Attention | LayerSite::FeedForward)
            | MatmulSite::Head => config.hidden,
            MatmulSite::Layer(_, LayerSite::AttentionOutput) => q_dim,
            MatmulSite::Layer(_, LayerSite::FeedForwardOutput) => config.ffn,
        };
        assert_eq!(columns.len(), width, "{site:?}");
        assert!(
            columns
                .iter()
                .all(|square| *square >= 0.0 && square.is_finite())
        );
        assert!(columns.iter().any(|square| *square > 0.0));
    }
    assert_eq!(measured, measure(TEXT, &source, scalar, 1).unwrap());
    assert_ne!(
        measured,
        measure("Another text.", &source, fastest, 2).unwrap()
    );
}

#[test]
fn a_calibrated_model_differs_and_an_exact_one_needs_no_text() {
    let nll = |quantize: &str, text: Option<&str>| {
        let options = perplexity::Options {
            model: tiny().into(),
            text: TEXT.into(),
            window: Some(16),
            threads: Some(2),
            rounding: Rounding {
                quantize: quantize.parse().unwrap(),
                ..Rounding::default()
            },
            calibration: text.map(|text| Calibration(text.into())),
            ..perplexity::Options::default()
        };
        perplexity::run(&options, |_, _, _| {}).map(|report| report.nll)
    };
    assert_ne!(
        nll("channel", Some(TEXT)).unwrap(),
        nll("channel", None).unwrap()
    );
    let refused = nll("none", Some(TEXT)).unwrap_err().to_string();
    assert!(refused.contains("`calibrate`"), "{refused}");
    let refused = nll("channel", Some("")).unwrap_err().to_string();
    assert!(refused.contains("no tokens"), "{refused}");
}
