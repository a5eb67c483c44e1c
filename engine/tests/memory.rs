//! Resident memory: packing and loading a model take its packed weights and little more.
//!
//! This file has one test, as it looks at the size of its whole process.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nibble_engine::bench::{self, Options, Subject};
use nibble_engine::{DecodeThreads, LoadOptions, PackedCache, Rounding};

const LAYERS: u32 = 16;
const HIDDEN: u32 = 2048;
const FFN: u32 = 8192;
const KV: u32 = 512;
const VOCABULARY: u32 = 512;
/// What may be resident beside packed weights, and keys and values.
const ALLOWANCE: u64 = 150_000_000;

/// A GGUF file in the making: its header, and the shapes of tensors whose data are all zero.
#[derive(Default)]
struct Header {
    metadata: Vec<u8>,
    values: u64,
    tensors: Vec<u8>,
    count: u64,
    data: u64,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Header {
    fn value(&mut self, key: &str, kind: u32, bytes: &[u8]) {
        self.metadata.extend(text(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(bytes);
        self.values += 1;
    }

    /// In Q4_0, or floats where there is one row.
    fn tensor(&mut self, name: &str, rows: u32, cols: u32) {
        let (shape, kind, bytes) = if rows == 1 {
            (vec![cols], 0u32, u64::from(cols) * 4)
        } else {
            (
                vec![cols, rows],
                2,
                u64::from(rows) * u64::from(cols) / 32 * 18,
            )
        };
        self.tensors.extend(text(&format!("{name}.weight")));
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        for length in shape {
            self.tensors.extend(u64::from(length).to_le_bytes());
        }
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend(self.data.to_le_bytes());
        self.data += bytes.next_multiple_of(32);
        self.count += 1;
    }

    fn write(&self, path: &Path) {
        let counts = [self.count.to_le_bytes(), self.values.to_le_bytes()].concat();
        let mut bytes = [
            &b"GGUF\x03\0\0\0"[..],
            &counts,
            &self.metadata,
            &self.tensors,
        ]
        .concat();
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        let mut file = File::create(path).expect("a file");
        file.write_all(&bytes).expect("room for the header");
        file.set_len(bytes.len() as u64 + self.data)
            .expect("a sparse file");
    }
}

/// Some 550 MB, none of them on the disk.
fn write_model(path: &Path) {
    let mut header = Header::default();
    header.value("general.architecture", 8, &text("llama"));
    for (key, value) in [
        ("block_count", LAYERS),
        ("context_length", 256),
        ("embedding_length", HIDDEN),
        ("feed_forward_length", FFN),
        ("attention.head_count", 32),
        ("attention.head_count_kv", 8),
        ("vocab_size", VOCABULARY),
    ] {
        header.value(&format!("llama.{key}"), 4, &value.to_le_bytes());
    }
    let epsilon = "llama.attention.layer_norm_rms_epsilon";
    header.value(epsilon, 6, &1e-5f32.to_le_bytes());
    header.tensor("token_embd", VOCABULARY, HIDDEN);
    header.tensor("output_norm", 1, HIDDEN);
    for layer in 0..LAYERS {
        for (name, rows, cols) in [
            ("attn_norm", 1, HIDDEN),
            ("ffn_norm", 1, HIDDEN),
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", KV, HIDDEN),
            ("attn_v", KV, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_gate", FFN, HIDDEN),
            ("ffn_up", FFN, HIDDEN),
            ("ffn_down", HIDDEN, FFN),
        ] {
            header.tensor(&format!("blk.{layer}.{name}"), rows, cols);
        }
    }
    header.write(path);
}

/// The largest resident size of this process so far.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.expect("a figure").parse::<u64>().expect("a number") * 1024
}

/// The largest resident size while a model was loaded and a few tokens computed, and the most that it may be.
fn peak_and_limit(model: &Path, packed: PackedCache) -> (u64, u64) {
    let report = bench::run(&Options {
        subject: Subject::File(model.to_owned()),
        prompt_tokens: 8,
        output_tokens: 2,
        context: 0,
        batch: 1,
        sampled: false,
        sequences: Vec::new(),
        threads: Some(2),
        decode_threads: DecodeThreads::Auto,
        pin: false,
        kernel: None,
        rounding: Rounding::default(),
        packed,
        repetitions: 1,
    })
    .expect("the model is measured");
    let keys_and_values = 8 * u64::from(LAYERS * KV) * 2 * 2;
    let limit = report.weight_bytes_per_token + keys_and_values + ALLOWANCE;
    (report.peak_rss_bytes.expect("Linux tells"), limit)
}

#[test]
fn packing_and_loading_take_the_packed_weights_and_little_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, packed) = (folder.path().join("m.gguf"), folder.path().join("packed"));
    write_model(&model);
    let (peak, limit) = peak_and_limit(&model, PackedCache::Off);
    assert!(peak <= limit, "from GGUF: {peak} of {limit}");
    // Keeping both, the file and its packed weights, could not stay below.
    let model_bytes = model.metadata().expect("the model is there").len();
    assert!(limit < 2 * model_bytes);

    let packed = PackedCache::File(packed);
    let options = LoadOptions {
        model: model.clone(),
        packed: packed.clone(),
        threads: Some(2),
        ..LoadOptions::default()
    };
    nibble_engine::pack(&options, &|_, _| {}).expect("it is packed");
    assert!(peak_rss() <= limit, "packing: {} of {limit}", peak_rss());
    let (peak, limit) = peak_and_limit(&model, packed);
    assert!(peak <= limit, "from packed weights: {peak} of {limit}");
}
