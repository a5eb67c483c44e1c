//! Checkpoints of each variety against what the `transformers` library makes of them.

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::Value;

use super::{Reference, difference, wanting};
use crate::answer::logprobs::Scored;
use crate::answer::rows::{PromptRows, Read};
use crate::compute::kernel;
use crate::files::checkpoint::written::{Layout, folder};
use crate::machine::threads::Pool;
use crate::model::forward::{Model, NewTokens};
use crate::model::source::ModelSource;
use crate::model::weights::{Quantize, Rounding};
use crate::{Message, Role};

#[derive(serde::Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) config: Value,
    #[serde(flatten)]
    pub(super) reference: Reference,
    /// Of the highest logits.
    logprobs: Vec<f32>,
    /// Of the tokens from the second on.
    prompt_logprobs: Vec<f32>,
}

pub(super) fn cases() -> Vec<Case> {
    let golden = include_str!("../../../../tests/fixtures/folder_logits.json");
    serde_json::from_str(golden).unwrap()
}

fn model(case: &Case, layout: Layout) -> Model {
    rounded_model(case, layout, Rounding::default())
}

pub(super) fn rounded_model(case: &Case, layout: Layout, rounding: Rounding) -> Model {
    let folder = folder(&case.config, layout);
    let source = ModelSource::open(folder.path()).unwrap();
    let config = source.config().clone();
    assert!(
        config.context >= case.reference.tokens.len(),
        "{}",
        case.name
    );
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let pool = Pool::new(2).unwrap();
    Model::load(source.tensors(), config, rounding, scalar, pool, None).unwrap()
}

#[test]
fn every_variety_gives_the_logits_that_transformers_gives() {
    let mut found = Vec::new();
    for case in cases() {
        let mut model = model(&case, Layout::SINGLE_BF16);
        let rounded = difference(&mut model, &case.reference);
        model.keep_floats();
        let exact = difference(&mut model, &case.reference);
        found.push((case.name, exact, rounded));
    }
    // What is left without rounding activations comes from keys and values in f16.
    let close = |(_, exact, rounded): &(String, f32, f32)| *exact < 1e-3 && *rounded < 0.05;
    assert!(found.iter().all(close), "{found:#?}");
}

#[test]
fn every_variety_gives_exactly_these_logits_when_nothing_is_rounded() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    let differences = cases().into_iter().map(|case| {
        let mut model = rounded_model(&case, Layout::SINGLE_BF16, rounding);
        let difference = difference(&mut model, &case.reference);
        (case.name, difference)
    });
    let found: Vec<_> = differences.collect();
    assert!(
        found.iter().all(|(_, difference)| *difference < 1e-4),
        "{found:#?}"
    );
}

/// In steps of any size, which change no bit.
#[test]
fn every_variety_gives_the_logprobs_that_transformers_gives() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    for case in cases() {
        let mut model = rounded_model(&case, Layout::SINGLE_BF16, rounding);
        let whole = logprobs(&mut model, &case, usize::MAX);
        let expected = case.prompt_logprobs.iter().chain(&case.logprobs);
        assert_eq!(whole.len(), expected.clone().count(), "{}", case.name);
        for (at, (found, expected)) in whole.iter().zip(expected).enumerate() {
            let difference = (found - expected).abs();
            assert!(
                difference < 1e-4,
                "{}, {at}: {found}, {expected}",
                case.name
            );
        }
        for size in [1, 7] {
            assert_eq!(logprobs(&mut model, &case, size), whole, "{}", case.name);
        }
    }
}

/// How likely a prompt's tokens are from the second on, and what may come behind it, read in steps of such a size.
fn logprobs(model: &mut Model, case: &Case, size: usize) -> Vec<f32> {
    let Reference { tokens, top } = &case.reference;
    let mut rows = PromptRows::scores(tokens, 0);
    let mut cache = model.new_cache();
    cache.begin(tokens.len());
    let (mut read, mut behind) = (0, Vec::new());
    for tokens in tokens.chunks(size.min(tokens.len())) {
        let step = NewTokens {
            reader: Some(rows.from(read)),
            ..wanting(tokens, &mut cache)
        };
        behind = model.forward(&mut [step], &|| false).unwrap().to_vec();
        read += tokens.len();
    }
    let Read::Scores(scores) = rows.read() else {
        panic!("scores are scores");
    };
    let top = top
        .iter()
        .map(|place| Scored::of(&behind, place.id as u32, 0));
    scores
        .into_iter()
        .chain(top)
        .map(|it| it.logprob())
        .collect()
}

#[test]
fn weights_are_the_same_in_every_float_type_and_any_number_of_files() {
    let case = &cases()[2];
    let expected = difference(&mut model(case, Layout::SINGLE_BF16), &case.reference);
    for (dtype, shards) in [(Dtype::F16, 1), (Dtype::F32, 1), (Dtype::BF16, 3)] {
        let mut model = model(case, Layout { dtype, shards });
        assert_eq!(
            difference(&mut model, &case.reference),
            expected,
            "{dtype:?}"
        );
    }
}

#[test]
fn the_default_model_as_a_folder_gives_its_prompts_and_nearly_its_logits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vocabularies/smollm2");
    if !folder.exists() {
        eprintln!("skipped: `engine/scripts/vocabularies target/vocabularies` writes `smollm2`");
        return;
    }
    let turns = [
        (Role::System, "Be brief."),
        (Role::User, "12 apples,\n<|im_end|> and  é?"),
        (Role::Assistant, "Yes."),
        (Role::User, "Why?"),
    ];
    let messages = turns.map(|(role, content)| Message {
        role,
        content: content.to_owned(),
    });
    let conversation = messages.to_vec().into();
    let prompt = |path: &Path| {
        let source = ModelSource::open(path).unwrap();
        let tokenizer = source.tokenizer().unwrap();
        let template = source.template(&tokenizer).unwrap();
        tokenizer.encode_prompt(&template.render(&conversation, &tokenizer).unwrap())
    };
    let file = crate::support::default_model();
    assert_eq!(prompt(&folder), prompt(&file));
    // Its weights went through floats, from which rounding finds the blocks again.
    let tokens: Vec<u32> = (0..70)
        .map(|i| (1009 * i * i + 17 * i + 300) % 49_152)
        .collect();
    let logits = |path: &Path| {
        let source = ModelSource::open(path).unwrap();
        let config = source.config().clone();
        let kernel = kernel::choose(None).unwrap();
        let (rounding, pool) = (Rounding::default(), Pool::new(2).unwrap());
        let mut model = Model::load(source.tensors(), config, rounding, kernel, pool, None);
        let model = model.as_mut().unwrap();
        let mut cache = model.new_cache();
        model.forward_each(&tokens, &mut cache).to_vec()
    };
    let (found, expected) = (logits(&folder), logits(&file));
    let highest = expected.iter().copied().fold(0.0, f32::max);
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let difference = differences.fold(0.0, f32::max) / highest;
    assert!(difference < 1e-3, "{difference}");
}
