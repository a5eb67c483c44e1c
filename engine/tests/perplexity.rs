//! The default model on a short text: kernels foretell it alike, and rounding activations hardly shows.
//! `make perplexity` does the same with a long text and prints the figures.

use nibble_engine::perplexity::{Activations, Options, run};
use nibble_engine::{Rounding, bench};

#[path = "support/default_model.rs"]
mod support;

/// Prose that does not change.
const TEXT: &str = include_str!("../../LICENSE");

fn options(windows: usize) -> Options {
    let text = TEXT.split_whitespace().collect::<Vec<_>>().join(" ");
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");
    let model = if emulated() {
        tiny.into()
    } else {
        support::default_model()
    };
    Options {
        model,
        // Some five bytes are a token.
        text: text[..windows * WINDOW * 5].to_owned(),
        window: Some(WINDOW),
        threads: Some(2),
        ..Options::default()
    }
}

/// Tokens of a window.
const WINDOW: usize = 64;

/// Whether the tests run on an emulated CPU, where rounding the default model anew takes minutes: the tiny one stands in
/// for it.
fn emulated() -> bool {
    std::env::var_os("NIBBLE_EMULATED").is_some()
}

fn nll(options: &Options) -> f64 {
    let report = run(options, |_, _, _| {}).expect("the text is measured");
    assert!(report.tokens > 0);
    report.nll
}

#[test]
fn every_kernel_gives_the_figure_of_scalar_with_every_rounding() {
    let kernels = bench::kernels().into_iter().filter(|k| k.supported);
    let kernels: Vec<_> = kernels.map(|kernel| kernel.name.to_owned()).collect();
    for (name, int4_head, int4_embedding) in [("channel", true, false), ("g32", false, true)] {
        let quantize = name.parse().expect("a known name");
        let figures = kernels.iter().map(|kernel| {
            let rounding = Rounding {
                quantize,
                int4_head,
                int4_embedding,
                kv: None,
            };
            let kernel = Some(kernel.clone());
            nll(&Options {
                kernel,
                rounding,
                ..options(1)
            })
        });
        let figures: Vec<_> = figures.collect();
        let alike = figures
            .iter()
            .all(|nll| nll.to_bits() == figures[0].to_bits());
        assert!(alike, "{kernels:?}: {figures:?}");
    }
}

#[test]
fn rounding_activations_costs_less_than_a_hundredth() {
    if emulated() {
        // Products with floats are the same plain loops everywhere, and the figure of int8 is that of `scalar`.
        return;
    }
    let rounded = nll(&options(6));
    let exact = nll(&Options {
        activations: Activations::F32,
        ..options(6)
    });
    assert!(rounded.to_bits() != exact.to_bits(), "nothing was rounded");
    let ratio = (rounded - exact).exp();
    assert!((ratio - 1.0).abs() < 0.01, "perplexity times {ratio}");
}
