//! Attention over the last positions alone: the same bits however the work is cut, and those of no window where it is
//! no shorter than the sequence.

use super::*;
use crate::files::config::Window;

/// The tiny checkpoint with a window in some of its layers.
fn windowed(kernel: &'static Kernel, threads: usize, window: Window, quantize: Quantize) -> Model {
    let gguf = tiny_gguf();
    let config = ModelConfig {
        window: Some(window),
        ..gguf.config.model.clone()
    };
    let rounding = Rounding {
        quantize,
        ..Rounding::default()
    };
    let pool = Pool::new(threads).unwrap();
    Model::load(&gguf, config, rounding, kernel, pool, None).unwrap()
}

/// In every layer, or in all but the first.
fn window(size: usize, every: bool) -> Window {
    let layers = tiny_gguf().config.model.layers;
    let layers = (0..layers).map(|layer| every || layer > 0).collect();
    Window { size, layers }
}

/// How a prefill is cut: threads, and tokens of a chunk.
fn cuts() -> impl Iterator<Item = (usize, usize)> {
    let cuts = [(3, 7), (3, TOKENS), (2, 128), (1, 1), (8, 33)];
    cuts.into_iter().take(if emulated() { 2 } else { 5 })
}

/// Windows by their size and whether every layer has them.
fn assert_no_cut_changes_a_bit(tokens: &[u32], windows: &[(usize, bool)], quantize: Quantize) {
    let scalar = kernel::choose(Some("scalar")).unwrap();
    for &(size, every) in windows {
        let model = |kernel, threads| windowed(kernel, threads, window(size, every), quantize);
        let expected = prefill(&mut model(scalar, 1), tokens, tokens.len());
        for kernel in kernel::supported() {
            for (threads, chunk) in cuts() {
                let found = prefill(&mut model(kernel, threads), tokens, chunk);
                assert_eq!(
                    found, expected,
                    "window {size}, {kernel:?}, {threads} threads, chunks of {chunk}"
                );
            }
        }
    }
}

#[test]
fn with_a_window_too_no_cut_of_the_work_and_no_kernel_changes_a_bit() {
    // Shorter than a block, across a border of spans, and longer than a span.
    let windows = [(1, true), (20, false), (250, true), (300, false)];
    assert_no_cut_changes_a_bit(&tokens(6, TOKENS), &windows, Rounding::default().quantize);
}

#[test]
fn with_a_window_and_without_rounding_too() {
    let windows = [(1, true), (20, false), (130, true)];
    assert_no_cut_changes_a_bit(&tokens(6, 200), &windows, Quantize::None);
}

#[test]
fn sequences_of_a_batch_keep_their_windows_apart() {
    for kernel in kernel::supported() {
        let size = 40;
        let mut model = windowed(kernel, 2, window(size, false), Rounding::default().quantize);
        let prompts = [tokens(1, 300), tokens(2, 5), tokens(3, 290)];
        let alone: Vec<_> = prompts
            .iter()
            .map(|prompt| prefill(&mut model, prompt, 64))
            .collect();
        assert_eq!(together(&mut model, &prompts), alone, "{kernel:?}");
    }
}

#[test]
fn a_window_no_shorter_than_the_sequence_changes_nothing_and_a_shorter_one_does() {
    let kernel = kernel::choose(None).unwrap();
    for quantize in [Rounding::default().quantize, Quantize::None] {
        let tokens = tokens(7, 300);
        let rounding = Rounding {
            quantize,
            ..Rounding::default()
        };
        let expected = prefill(&mut rounded_tiny(kernel, 2, rounding), &tokens, 128);
        let model = |size| windowed(kernel, 2, window(size, true), quantize);
        assert_eq!(prefill(&mut model(300), &tokens, 128), expected);
        assert_ne!(prefill(&mut model(299), &tokens, 128), expected);
    }
}

#[test]
fn what_left_the_window_of_the_only_layer_is_forgotten() {
    // With one layer a window of 20 shows 20 tokens; where in the sequence they stand decides their angles alone.
    let kernel = kernel::choose(None).unwrap();
    let (mut first, mut second) = (tokens(1, 330), tokens(1, 330));
    let mut single = window(20, true);
    single.layers.truncate(1);
    let gguf = tiny_gguf();
    let config = ModelConfig {
        layers: 1,
        window: Some(single),
        ..gguf.config.model.clone()
    };
    let pool = Pool::new(2).unwrap();
    let mut model = Model::load(&gguf, config, Rounding::default(), kernel, pool, None).unwrap();
    first[309] = 1;
    second[309] = 2;
    let same = prefill(&mut model, &first, 330) == prefill(&mut model, &second, 330);
    first[310] = 3;
    let other = prefill(&mut model, &first, 330) != prefill(&mut model, &second, 330);
    assert_eq!((same, other), (true, true));
}
