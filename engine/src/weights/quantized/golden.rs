//! Projections that the compressed-tensors library packed, by `tests/fixtures/packed_by_compressed_tensors.py`.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::checkpoint::written::quantized::write;
use crate::config::hugging_face::RawConfig;

const SHAPE: [usize; 2] = [16, 128];

#[derive(Deserialize)]
struct Golden {
    projection: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    quantization_config: Value,
    tensors: BTreeMap<String, Stored>,
    floats: String,
}

#[derive(Deserialize)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

#[test]
fn what_the_library_packed_gives_the_floats_that_the_library_makes_of_it() {
    let golden = include_str!("../../../tests/fixtures/packed_by_compressed_tensors.json");
    let golden: Golden = serde_json::from_str(golden).unwrap();
    for case in &golden.cases {
        let config = json!({
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 128,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "vocab_size": 32,
            "max_position_embeddings": 64,
            "quantization_config": case.quantization_config,
        });
        let name = |part: &String| format!("{}.{part}", golden.projection);
        let tensors = case.tensors.iter().map(|(part, stored)| {
            let shape = stored.shape.clone();
            (name(part), stored.dtype, shape, bytes(&stored.bytes))
        });
        let folder = write(&config, &tensors.collect::<Vec<_>>());
        let config: RawConfig = serde_json::from_value(config).unwrap();
        let quantization = config.check().unwrap().quantization.unwrap();
        let folder = HfFolder::open(folder.path()).unwrap();
        let matrix = QuantizedMatrix::open(
            &folder,
            &golden.projection,
            SHAPE,
            quantization,
            RowOrder::AsStored,
        );
        let MatrixSource { rows, .. } = matrix.unwrap().source(Want::Floats);
        let RowSource::Floats(write) = rows else {
            panic!("blocks");
        };
        let expected = bytes(&case.floats);
        let expected = expected.as_chunks().0.iter();
        let expected: Vec<_> = expected.map(|float| f32::from_le_bytes(*float)).collect();
        for (row, expected) in expected.chunks_exact(SHAPE[1]).enumerate() {
            let mut found = vec![0.0; SHAPE[1]];
            write(row, &mut found).unwrap();
            assert_eq!(found, expected, "row {row} of {}", case.quantization_config);
        }
    }
}
