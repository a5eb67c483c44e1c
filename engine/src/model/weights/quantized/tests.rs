mod act_order;

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use super::*;
use crate::architecture::{LayerTensor, ModelTensor};
use crate::compute::kernel;
use crate::files::checkpoint::written::quantized::{Method, Quantized, Written, pair, write};
use crate::machine::threads::Pool;
use crate::model::forward::Model;
use crate::model::source::ModelSource;
use crate::model::weights::{HfModel, Quantize, Rounding, TensorSource};

const Q_PROJ: &str = "model.layers.0.self_attn.q_proj";
const FIRST_Q: ModelTensor = ModelTensor::Layer(0, LayerTensor::QProj);
const METHODS: [Method; 5] = [
    Method::Gptq,
    Method::GptqV2,
    Method::Awq,
    Method::Packed,
    Method::PackedBytes,
];

fn config(how: Option<Quantized>) -> Value {
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 64,
        "max_position_embeddings": 64,
    });
    if let Some(how) = how {
        config["quantization_config"] = how.config();
    }
    config
}

fn every_way() -> impl Iterator<Item = Quantized> {
    let groups = [Some(32), Some(64), Some(128), None];
    let ways = METHODS.into_iter().flat_map(move |method| {
        groups.into_iter().flat_map(move |group| {
            [[true, false], [true, true], [false, false], [false, true]].map(
                |[symmetric, act_order]| Quantized {
                    method,
                    group,
                    symmetric,
                    act_order,
                },
            )
        })
    });
    ways.filter(|how| how.method != Method::PackedBytes || !how.symmetric)
        .filter(|how| how.method != Method::Awq || !how.act_order)
}

fn int4(name: &str) -> RoundingTarget<'static> {
    match name.parse() {
        Ok(Quantize::Int4(int4)) => RoundingTarget::Int4(int4, None),
        other => panic!("{other:?}"),
    }
}

/// Logits of a folder behind some tokens.
fn logits(folder: &Path, quantize: &str) -> Vec<f32> {
    let source = ModelSource::open(folder).unwrap();
    let config = source.config().clone();
    let rounding = Rounding {
        quantize: quantize.parse().unwrap(),
        ..Rounding::default()
    };
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let pool = Pool::new(1).unwrap();
    let model = Model::load(source.tensors(), config, rounding, scalar, pool, None);
    let mut model = model.unwrap();
    let mut cache = model.new_cache();
    model.forward_each(&[1, 5, 9, 33, 2], &mut cache).to_vec()
}

/// The format and the rows of a projection of a folder, dequantised, their columns as they are stored.
fn rows(folder: &HfModel, request: WeightRequest<'static>) -> (Format, Vec<Vec<f32>>) {
    let source = folder.matrix(FIRST_Q, [128, 128], request).unwrap();
    let row = |row| match &source.rows {
        RowSource::Floats(write) => {
            let mut floats = vec![0.0; 128];
            write(row, &mut floats).unwrap();
            floats
        }
        RowSource::Blocks(write) => {
            let mut blocks = [Block::ZERO; 4];
            write(row, &mut blocks).unwrap();
            let packed = blocks.iter().flat_map(Block::dequantize).enumerate();
            let mut floats = vec![0.0; 128];
            for (column, number) in packed {
                let order = source.order.as_ref();
                floats[order.map_or(column, |order| order.stored(column))] = number;
            }
            floats
        }
    };
    (source.format, (0..128).map(row).collect())
}

#[test]
fn quantised_models_give_exactly_the_logits_of_their_floats_when_nothing_is_rounded() {
    for how in every_way() {
        let [quantized, floats] = pair(&config(None), how);
        let quantized = write(&config(Some(how)), &quantized);
        let floats = write(&config(None), &floats);
        let found = logits(quantized.path(), "none");
        assert_eq!(found, logits(floats.path(), "none"), "{how:?}");
        assert!(found.iter().all(|logit| logit.is_finite()), "{how:?}");
    }
}

#[test]
fn blocks_hold_what_is_stored_within_an_f16_of_its_minimum() {
    for how in every_way() {
        let [quantized, floats] = pair(&config(None), how);
        let quantized = write(&config(Some(how)), &quantized);
        let floats = write(&config(None), &floats);
        let quantized = HfModel::open(quantized.path()).unwrap();
        let floats = HfModel::open(floats.path()).unwrap();
        let (_, expected) = rows(&floats, WeightRequest::Floats);
        let stored = match how.symmetric {
            true => Format::Int4Symmetric,
            false => Format::Int4,
        };
        for request in ["g32", "g128-min"].map(|name| WeightRequest::Stored(int4(name))) {
            let (format, found) = rows(&quantized, request);
            assert_eq!(format, stored, "{how:?}");
            // Of the largest minimum, 15 times the largest scale of 32 in 1024, half the last of 11 bits.
            let bound = if how.symmetric {
                0.0
            } else {
                15.0 * 32.0 / 1024.0 / 2048.0
            };
            let pairs = found.iter().flatten().zip(expected.iter().flatten());
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= bound, "{how:?}: {worst}");
        }
    }
}

#[test]
fn a_scale_for_a_row_is_kept_where_it_is_wanted_and_other_groups_are_rounded_to_it() {
    for method in METHODS {
        for (group, exact) in [(None, true), (Some(64), false)] {
            let how = Quantized {
                method,
                group,
                symmetric: true,
                act_order: false,
            };
            let [quantized, floats] = pair(&config(None), how);
            let quantized = write(&config(Some(how)), &quantized);
            let floats = write(&config(None), &floats);
            let model = HfModel::open(quantized.path()).unwrap();
            let request = WeightRequest::Rounded(int4("channel"));
            let (format, found) = rows(&model, request);
            let (_, expected) = rows(
                &HfModel::open(floats.path()).unwrap(),
                WeightRequest::Floats,
            );
            assert_eq!(format, Format::Int4Channel);
            assert_eq!(found == expected, exact, "{how:?}");
        }
    }
}

/// What opening and planning a changed folder says.
fn refusal(how: Quantized, change: impl Fn(&mut Vec<Written>)) -> String {
    let [mut quantized, _] = pair(&config(None), how);
    change(&mut quantized);
    let folder = write(&config(Some(how)), &quantized);
    let opened = HfModel::open(folder.path());
    let planned = opened.and_then(|model| {
        let source = model.matrix(FIRST_Q, [128, 128], WeightRequest::Stored(int4("g32")))?;
        let RowSource::Blocks(write) = source.rows else {
            panic!("floats");
        };
        (0..128).try_for_each(|row| write(row, &mut [Block::ZERO; 4]))
    });
    planned.map_or_else(|error| error.to_string(), |()| "nothing".into())
}

fn find<'a>(tensors: &'a mut [Written], part: &str) -> &'a mut Written {
    let name = format!("{Q_PROJ}.{part}");
    tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap()
}

fn parts(method: Method) -> Vec<&'static str> {
    match method {
        Method::Gptq | Method::GptqV2 | Method::Awq => vec!["qweight", "qzeros", "scales"],
        _ => vec![
            "weight_packed",
            "weight_scale",
            "weight_shape",
            "weight_zero_point",
        ],
    }
}

#[test]
fn parts_that_are_missing_or_of_another_shape_or_type_are_refused_by_name() {
    for method in METHODS {
        let how = Quantized {
            method,
            group: Some(32),
            symmetric: false,
            act_order: false,
        };
        assert_eq!(refusal(how, |_| {}), "nothing");
        for part in parts(method) {
            let name = format!("{Q_PROJ}.{part}");
            let missing = refusal(how, |tensors| tensors.retain(|tensor| tensor.0 != name));
            assert!(
                missing.contains(&format!("`{name}` is missing")),
                "{missing}"
            );
            let flat = refusal(how, |tensors| {
                let shape = &mut find(tensors, part).2;
                *shape = vec![shape.iter().product(), 1];
            });
            assert!(
                flat.contains(&format!("`{name}` must have the shape")),
                "{flat}"
            );
            let other = refusal(how, |tensors| {
                let tensor = find(tensors, part);
                tensor.1 = Dtype::F8_E4M3;
                tensor.3 = vec![0; tensor.2.iter().product()];
            });
            assert!(other.contains(&format!("`{name}` must be")), "{other}");
        }
    }
}

#[test]
fn scales_that_are_no_numbers_and_weights_stored_twice_are_refused() {
    let how = Quantized {
        method: Method::Awq,
        group: Some(32),
        symmetric: true,
        act_order: false,
    };
    let infinite = refusal(how, |tensors| {
        find(tensors, "scales").3[2 * 7..2 * 8].copy_from_slice(&f16::INFINITY.to_le_bytes());
    });
    assert!(
        infinite.contains(&format!("`{Q_PROJ}.scales`")),
        "{infinite}"
    );
    assert!(infinite.contains("in row 7: inf"), "{infinite}");
    let twice = refusal(how, |tensors| {
        let name = format!("{Q_PROJ}.weight");
        tensors.push((name, Dtype::F16, vec![128, 128], vec![0; 2 * 128 * 128]));
    });
    assert!(twice.contains("quantised and as"), "{twice}");
}

#[test]
fn a_bias_that_the_model_does_not_have_may_only_be_zero() {
    let how = Quantized {
        method: Method::Gptq,
        group: Some(32),
        symmetric: true,
        act_order: false,
    };
    let bias = |first: u8| {
        refusal(how, |tensors| {
            let mut bytes = vec![0; 2 * 128];
            bytes[0] = first;
            tensors.push((format!("{Q_PROJ}.bias"), Dtype::F16, vec![128], bytes));
        })
    };
    assert_eq!(bias(0), "nothing");
    assert!(
        bias(1).contains(&format!("`{Q_PROJ}.bias` is not part")),
        "{}",
        bias(1)
    );
}

#[test]
fn a_matrix_that_was_not_converted_is_taken_as_floats() {
    let how = Quantized {
        method: Method::Packed,
        group: Some(64),
        symmetric: false,
        act_order: false,
    };
    let [mut quantized, floats] = pair(&config(None), how);
    quantized.retain(|tensor| !tensor.0.starts_with(Q_PROJ));
    let name = format!("{Q_PROJ}.weight");
    quantized.extend(floats.iter().filter(|tensor| tensor.0 == name).cloned());
    let quantized = write(&config(Some(how)), &quantized);
    let floats = write(&config(None), &floats);
    assert_eq!(
        logits(quantized.path(), "none"),
        logits(floats.path(), "none")
    );
}
