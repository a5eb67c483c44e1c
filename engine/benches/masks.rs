//! What constraints cost each token, beside a decode step of the smallest model: for its own vocabulary of 49 k tokens, and for
//! those of real models that `engine/scripts/vocabularies target/vocabularies` writes, up to 152 k.
//!
//! ```sh
//! cargo bench -p nibble-engine --bench masks
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark prints what it finds")]

use std::path::Path;
use std::time::Duration;

use futures::executor::block_on_stream;
use nibble_engine::bench::{MaskCost, mask_costs};
use nibble_engine::{
    Constraint, Engine, Error, Event, Language, LoadOptions, Prompt, Request, Sampling, Steering,
};

#[path = "../tests/support/default_model.rs"]
mod support;

const TOKENS: usize = 2000;

fn main() -> Result<(), Error> {
    let model = support::default_model();
    let [free, held] = steps(&model)?;
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "a decode step takes {:.0} µs, held to any JSON {:.0} µs",
        us(free),
        us(held)
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vocabularies");
    let others = ["llama-3.gguf", "qwen.gguf"].map(|name| folder.join(name));
    let there = others.into_iter().filter(|path| path.exists());
    println!(
        "{:>7} {:18} {:>9} {:>7} {:>7} {:>7} {:>7}  of a step",
        "tokens", "constraint", "compiled", "mean", "p50", "p99", "worst"
    );
    for path in [model].into_iter().chain(there) {
        for cost in mask_costs(&path, TOKENS)? {
            let MaskCost {
                vocabulary,
                constraint,
                compiled,
                ..
            } = cost;
            println!(
                "{vocabulary:>7} {constraint:18} {:>9.0} {:>7.0} {:>7.0} {:>7.0} {:>7.0}  {:.1} %",
                us(compiled),
                us(cost.mean()),
                us(cost.within(0.5)),
                us(cost.within(0.99)),
                us(cost.within(1.0)),
                us(cost.mean()) / us(free) * 100.0
            );
        }
    }
    Ok(())
}

/// What a token takes of an answer that is free, and of one that is held to something.
fn steps(model: &Path) -> Result<[Duration; 2], Error> {
    let engine = Engine::load(&LoadOptions {
        model: model.to_owned(),
        ..LoadOptions::default()
    })?;
    let mut took = [Duration::ZERO; 2];
    for (took, held) in took.iter_mut().zip([false, true]) {
        let request = Request {
            prompt: Prompt::Raw("A person as JSON:".to_owned()),
            sampling: Sampling {
                temperature: 1.0,
                seed: Some(1),
                ..Sampling::default()
            },
            max_tokens: 100,
            steering: Steering {
                min_tokens: 60,
                ..Steering::default()
            },
            constraint: held.then_some(Constraint {
                field: "constraint",
                language: Language::JsonObject,
            }),
            ..Request::default()
        };
        let mut events = block_on_stream(engine.submit(request)?);
        let speed = events.find_map(|event| match event {
            Event::Finished(end) => end.metrics.decode_tokens_per_second,
            _ => None,
        });
        *took = Duration::from_secs_f64(1.0 / speed.unwrap_or(f64::INFINITY));
    }
    Ok(took)
}
