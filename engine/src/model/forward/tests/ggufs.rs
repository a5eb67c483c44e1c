//! GGUF files of every architecture, against folders with the same weights and what `transformers` makes of those.

use super::folders::{Case, cases, rounded_model};
use super::*;
use crate::files::checkpoint::TensorType;
use crate::files::checkpoint::written::Layout;
use crate::files::checkpoint::written::gguf::{Projections, gguf};

/// What no key of a GGUF file says.
const NOT_SAID: [&str; 3] = ["llama 3.1", "dynamic", "qwen 2, a window in the last layer"];

fn said_in_gguf() -> impl Iterator<Item = Case> {
    let cases = cases().into_iter();
    cases.filter(|case| !NOT_SAID.contains(&case.name.as_str()))
}

fn gguf_model(case: &Case, projections: Projections, rounding: Rounding) -> Model {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), gguf(&case.config, projections).bytes()).unwrap();
    let gguf = GgufModel::open(file.path()).unwrap();
    let config = gguf.config.model.clone();
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let pool = Pool::new(2).unwrap();
    Model::load(&gguf, config, rounding, scalar, pool, None).unwrap()
}

#[test]
fn a_file_gives_the_bits_of_the_folder_with_the_same_weights() {
    let exact = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    for case in said_in_gguf() {
        // Most decimals are no f32, which numbers of a file are.
        if !case.config["rope_scaling"]["attention_factor"].is_null() {
            continue;
        }
        for rounding in [exact, Rounding::default()] {
            let mut folder = rounded_model(&case, Layout::SINGLE_BF16, rounding);
            let mut file = gguf_model(&case, Projections::Bf16, rounding);
            let [found, expected] = [&mut file, &mut folder]
                .map(|model| prefill(model, &case.reference.tokens, usize::MAX));
            assert_eq!(found, expected, "{}, {rounding:?}", case.name);
        }
    }
}

#[test]
fn a_file_gives_exactly_the_logits_of_transformers_when_nothing_is_rounded() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    for case in said_in_gguf() {
        let mut model = gguf_model(&case, Projections::Bf16, rounding);
        let difference = difference(&mut model, &case.reference);
        assert!(difference < 1e-4, "{difference} for {}", case.name);
    }
}

#[test]
fn quantised_rows_stand_where_float_rows_do() {
    for case in said_in_gguf() {
        let mut model = gguf_model(&case, Projections::Q4_0, Rounding::default());
        model.keep_floats();
        let difference = difference(&mut model, &case.reference);
        // What is left comes from keys and values in f16.
        assert!(difference < 1e-3, "{difference} for {}", case.name);
    }
}

/// The shape of Qwen 3 with rows of whole blocks of one and two bits.
fn qwen_3() -> Case {
    let mut cases = cases().into_iter();
    let mut case = cases.find(|case| case.name == "qwen 3").unwrap();
    case.config["hidden_size"] = 128.into();
    case.config["intermediate_size"] = 256.into();
    case
}

#[test]
fn blocks_of_one_and_two_bits_are_the_numbers_that_they_stand_for() {
    let case = qwen_3();
    let exact = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    for kind in [TensorType::Q1_0, TensorType::Q2_0] {
        // All numbers are few steps of a scale: rounded to four bits they stay what they are.
        for rounding in [exact, Rounding::default()] {
            let [found, expected] = [Projections::Random(kind), Projections::RandomAsBf16(kind)]
                .map(|stored| {
                    let mut model = gguf_model(&case, stored, rounding);
                    model.keep_floats();
                    prefill(&mut model, &case.reference.tokens, usize::MAX)
                });
            assert_eq!(found, expected, "{kind:?}, {rounding:?}");
        }
    }
}
