//! In how many bits embedding and head are held, and when they are one matrix.

use half::bf16;
use safetensors::tensor::Dtype;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::compute::block::BLOCK;
use crate::compute::int4::{GroupSize, Int4};
use crate::compute::kernel;
use crate::compute::matrix::MatrixPlan;
use crate::files::checkpoint::Written;
use crate::files::checkpoint::written::{
    Layout, Tensors, change_tensors, config, folder, write_json,
};

const EIGHT: Rounding = in_int4(false, false);
const HEAD: Rounding = in_int4(true, false);
const EMBEDDING: Rounding = in_int4(false, true);
const BOTH: Rounding = in_int4(true, true);

const fn in_int4(int4_head: bool, int4_embedding: bool) -> Rounding {
    Rounding {
        quantize: Quantize::Int4(Int4 {
            group: GroupSize::Of64,
            min: false,
        }),
        int4_head,
        int4_embedding,
        kv: None,
    }
}

/// Names and formats of the matrices that are no layer's.
fn ends(source: &dyn TensorSource, config: &ModelConfig, rounding: Rounding) -> Vec<String> {
    let kernel = kernel::choose(None).unwrap();
    let packing = plan(source, config, rounding, kernel).unwrap();
    let ends = packing.plans().filter(|plan| !plan.name.contains("blk"));
    let format = |plan: &MatrixPlan<'_>| plan.label().split(' ').next().unwrap().to_owned();
    ends.map(|plan| format!("{} {}", plan.name, format(plan)))
        .collect()
}

/// A model of one small layer.
fn small(tied: bool) -> (TempDir, HfModel) {
    let folder = folder(&small_config(tied), Layout::SINGLE_BF16);
    let model = HfModel::open(folder.path()).unwrap();
    (folder, model)
}

fn small_config(tied: bool) -> Value {
    let mut config = config(64);
    config["tie_word_embeddings"] = tied.into();
    config
}

/// The same whose weights were changed before it was opened.
fn small_with(tied: bool, change: impl FnOnce(&mut Tensors)) -> (TempDir, HfModel) {
    let folder = folder(&small_config(false), Layout::SINGLE_BF16);
    write_json(folder.path(), "config.json", &small_config(tied));
    change_tensors(folder.path(), change);
    let model = HfModel::open(folder.path()).unwrap();
    (folder, model)
}

fn weights(
    model: &HfModel,
    rounding: Rounding,
    importance: Option<&ImportanceMatrix<'_>>,
) -> Weights {
    load(model, rounding, importance).unwrap()
}

fn load(
    model: &HfModel,
    rounding: Rounding,
    importance: Option<&ImportanceMatrix<'_>>,
) -> Result<Weights, Error> {
    let kernel = kernel::choose(None).unwrap();
    let scheme = QuantScheme {
        rounding,
        importance,
    };
    let pool = &mut Pool::new(1).unwrap();
    let config = &model.config.model;
    let packing = plan(model, config, scheme, kernel)?;
    Weights::load(model, config, scheme, packing, pool, None)
}

#[test]
fn a_tied_head_is_the_embedding_where_both_have_the_same_bits() {
    let (_folder, model) = small(true);
    let ends = |rounding| ends(&model, &model.config.model, rounding);
    assert_eq!(ends(EIGHT), ["token_embd Q8"]);
    assert_eq!(ends(HEAD), ["token_embd Q8", "output Int4"]);
    assert_eq!(ends(EMBEDDING), ["token_embd Int4", "output Q8"]);
    assert_eq!(ends(BOTH), ["token_embd Int4"]);
}

const NAMES: [&str; 2] = ["model.embed_tokens.weight", "lm_head.weight"];

#[test]
fn a_head_that_is_not_the_embedding_counts_whatever_the_configuration_says() {
    let (_folder, apart) = small(false);
    let apart = weights(&apart, EIGHT, None);
    let (_folder, model) = small_with(true, |_| {});
    let found = weights(&model, EIGHT, None);
    assert_eq!(
        found.embedding.packed_bytes(),
        apart.embedding.packed_bytes()
    );
    assert_eq!(found.head().packed_bytes(), apart.head().packed_bytes());

    let (_folder, model) = small_with(true, |tensors| {
        tensors.insert(NAMES[1].into(), tensors[NAMES[0]].clone());
    });
    assert_eq!(ends(&model, &model.config.model, EIGHT), ["token_embd Q8"]);
    let (_folder, model) = small_with(true, |tensors| {
        let (shape, _, bytes) = tensors[NAMES[0]].clone();
        let numbers = bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| bf16::from_le_bytes(*bytes).to_f32());
        let bytes = numbers.flat_map(f32::to_le_bytes).collect();
        tensors.insert(NAMES[1].into(), (shape, Dtype::F32, bytes));
    });
    assert_eq!(ends(&model, &model.config.model, EIGHT), ["token_embd Q8"]);
}

#[test]
fn the_one_of_two_tied_matrices_that_is_there_is_both() {
    let (_folder, apart) = small(false);
    let apart = weights(&apart, EIGHT, None);
    for (absent, both) in [(NAMES[0], apart.head()), (NAMES[1], &apart.embedding)] {
        let (_folder, model) = small_with(true, |tensors| drop(tensors.remove(absent)));
        assert_eq!(ends(&model, &model.config.model, EIGHT), ["token_embd Q8"]);
        let found = weights(&model, EIGHT, None);
        assert_eq!(found.embedding.packed_bytes(), both.packed_bytes());
    }
}

#[test]
fn what_is_no_number_is_refused_in_every_tensor() {
    let names: Vec<String> = small_with(false, |_| {})
        .1
        .folder
        .names()
        .map(str::to_owned)
        .collect();
    assert_eq!(names.len(), 12);
    for name in names {
        for number in [f32::NAN, f32::INFINITY] {
            for quantize in [EIGHT.quantize, Quantize::None] {
                let (_folder, model) = small_with(false, |tensors| {
                    let bytes = &mut tensors.get_mut(&name).unwrap().2;
                    bytes[6..8].copy_from_slice(&bf16::from_f32(number).to_le_bytes());
                });
                let refused = load(&model, Rounding { quantize, ..EIGHT }, None).map(drop);
                let refused = refused.unwrap_err().to_string();
                let found = format!("the weight {number}");
                assert!(
                    refused.contains(&name) && refused.contains(&found),
                    "{refused}"
                );
            }
        }
    }
}

#[test]
fn a_head_of_its_own_has_its_own_bits() {
    let (_folder, model) = small(false);
    let ends = |rounding| ends(&model, &model.config.model, rounding);
    assert_eq!(ends(EIGHT), ["token_embd Q8", "output Q8"]);
    assert_eq!(ends(HEAD), ["token_embd Q8", "output Int4"]);
    assert_eq!(ends(EMBEDDING), ["token_embd Int4", "output Q8"]);
    assert_eq!(ends(BOTH), ["token_embd Int4", "output Int4"]);
}

#[test]
fn what_a_file_has_in_four_bits_stays_as_it_is_and_one() {
    let shapes = [
        ("token_embd", [10, 64]),
        ("blk.0.attn_q", [64, 64]),
        ("blk.0.attn_k", [32, 64]),
        ("blk.0.attn_v", [32, 64]),
        ("blk.0.attn_output", [64, 64]),
        ("blk.0.ffn_gate", [96, 64]),
        ("blk.0.ffn_up", [96, 64]),
        ("blk.0.ffn_down", [64, 96]),
    ];
    let keys = Written::keys("llama", &[]);
    let file = shapes.iter().fold(keys, |file, (name, shape)| {
        // GGML's number of Q4_0, and bytes of 32 weights.
        let bytes = (shape[0] * shape[1] / 32 * 18) as usize;
        file.zeros(&format!("{name}.weight"), shape, 2, bytes)
    });
    let model = GgufModel::of(file.open().unwrap()).unwrap();
    for rounding in [EIGHT, HEAD, EMBEDDING, BOTH] {
        let found = ends(&model, &model.config.model, rounding);
        assert_eq!(found, ["token_embd Int4Symmetric"], "{rounding:?}");
    }
}

#[test]
fn the_one_matrix_is_the_rounded_head_with_and_without_calibration() {
    let (_folder, model) = small(true);
    let first_columns = |count| (0..32).map(|i| if i < count { 9.0 } else { 0.1 }).collect();
    let sites = [
        MatmulSite::Layer(0, LayerSite::Attention),
        MatmulSite::Layer(0, LayerSite::AttentionOutput),
        MatmulSite::Layer(0, LayerSite::FeedForward),
        MatmulSite::Layer(0, LayerSite::FeedForwardOutput),
        MatmulSite::Head,
    ];
    let measure = move |_| Ok(sites.into_iter().zip((1..).map(first_columns)).collect());
    let importance = ImportanceMatrix::new(String::new(), Box::new(measure));
    let mut heads = Vec::new();
    for importance in [None, Some(&importance)] {
        let [head, both] = [HEAD, BOTH].map(|rounding| weights(&model, rounding, importance));
        assert!(head.head().packed_bytes() == both.head().packed_bytes());
        assert!(std::ptr::eq(both.head(), &raw const both.embedding));
        let [eight, embedding] = [EIGHT, EMBEDDING].map(|r| weights(&model, r, importance).bytes());
        assert!(both.bytes() < eight && eight < head.bytes() && eight < embedding);
        heads.push(both.head().packed_bytes().to_owned());
    }
    assert!(heads[0] != heads[1], "the columns count alike");
}

#[test]
fn rows_of_an_embedding_in_four_bits_are_near_those_in_eight() {
    let (_folder, model) = small(true);
    let [eight, four] = [EIGHT, EMBEDDING].map(|rounding| weights(&model, rounding, None));
    assert!(four.head().packed_bytes() == eight.head().packed_bytes());
    let ModelConfig {
        vocabulary,
        hidden: cols,
        ..
    } = model.config.model;
    let (mut exact, mut rounded) = (vec![0.0; cols], vec![0.0; cols]);
    for row in 0..vocabulary {
        eight.embedding.row_to_f32(row, &mut exact);
        four.embedding.row_to_f32(row, &mut rounded);
        assert_ne!(exact, rounded);
        let (exact, rounded) = (exact.chunks(BLOCK), rounded.chunks(BLOCK));
        for (exact, rounded) in exact.zip(rounded) {
            let spread = |pick: fn(f32, f32) -> f32| exact.iter().copied().fold(0.0, pick);
            let step = (spread(f32::max) - spread(f32::min)) / 15.0;
            let differences = exact.iter().zip(rounded).map(|(a, b)| (a - b).abs());
            let worst = differences.fold(0.0, f32::max);
            assert!(worst < step, "{worst} in row {row}, a step being {step}");
        }
    }
}

#[test]
fn four_bits_of_either_are_refused_by_name_where_nothing_is_rounded() {
    let (_folder, model) = small(true);
    let kernel = kernel::choose(None).unwrap();
    for (rounding, option) in [(HEAD, "`head-bits` 4"), (EMBEDDING, "`embedding-bits` 4")] {
        let rounding = Rounding {
            quantize: Quantize::None,
            ..rounding
        };
        let refused = plan(&model, &model.config.model, rounding, kernel).map(drop);
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains(option) && refused.contains("`quantize` none"),
            "{refused}"
        );
    }
}
