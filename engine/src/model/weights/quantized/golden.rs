//! Projections that libraries packed, by the scripts `packed_by_*.py` of `tests/fixtures`.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::files::checkpoint::written::quantized::write;
use crate::files::config::hugging_face::RawConfig;
use crate::files::hex;

#[derive(Deserialize)]
struct Golden {
    projection: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    quantization_config: Value,
    shape: [usize; 2],
    tensors: BTreeMap<String, Stored>,
    /// Of what the library makes of the tensors, row after row, little-endian.
    sha256_of_floats: String,
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
fn what_a_library_packed_gives_the_floats_that_the_library_makes_of_it() {
    for golden in [
        include_str!("../../../../tests/fixtures/packed_by_auto_gptq.json"),
        include_str!("../../../../tests/fixtures/packed_by_autoawq.json"),
        include_str!("../../../../tests/fixtures/packed_by_compressed_tensors.json"),
        include_str!("../../../../tests/fixtures/packed_by_compressed_tensors_in_act_order.json"),
        include_str!("../../../../tests/fixtures/packed_by_gptqmodel.json"),
    ] {
        let golden: Golden = serde_json::from_str(golden).unwrap();
        for case in &golden.cases {
            let floats = case.read(&golden.projection);
            let bytes: Vec<_> = floats
                .iter()
                .flat_map(|float| float.to_le_bytes())
                .collect();
            let found = hex(&Sha256::digest(bytes));
            let Case {
                shape,
                quantization_config: config,
                ..
            } = case;
            assert_eq!(found, case.sha256_of_floats, "{shape:?} of {config}");
        }
    }
}

impl Case {
    /// The floats of the matrix, row after row.
    fn read(&self, projection: &str) -> Vec<f32> {
        let config = json!({
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 128,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "vocab_size": 32,
            "max_position_embeddings": 64,
            "quantization_config": self.quantization_config,
        });
        let tensors = self.tensors.iter().map(|(part, stored)| {
            let (name, shape) = (format!("{projection}.{part}"), stored.shape.clone());
            (name, stored.dtype, shape, bytes(&stored.bytes))
        });
        let folder = write(&config, &tensors.collect::<Vec<_>>());
        let config: RawConfig = serde_json::from_value(config).unwrap();
        let quantization = config.check().unwrap().quantization.unwrap();
        let folder = HfFolder::open(folder.path()).unwrap();
        let order = RowOrder::AsStored;
        let matrix = QuantizedMatrix::open(&folder, projection, self.shape, quantization, order);
        let MatrixSource { rows, .. } = matrix.unwrap().source(WeightRequest::Floats);
        let RowSource::Floats(write) = rows else {
            panic!("blocks");
        };
        let [rows, cols] = self.shape;
        let mut floats = vec![0.0; rows * cols];
        for (row, floats) in floats.chunks_exact_mut(cols).enumerate() {
            write(row, floats).unwrap();
        }
        floats
    }
}
