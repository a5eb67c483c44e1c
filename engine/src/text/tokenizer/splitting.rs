//! How a text is cut into words before they are merged, by the names that `tokenizer.ggml.pre` uses.
//!
//! The cuts are those of llama.cpp: each pattern cuts what the patterns before it have left, and both what it matches
//! and what it does not match are words.

mod patterns;

#[cfg(test)]
mod tests;

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::normalizer::SplitDelimiterBehavior;

use self::patterns::{
    BLOOM, CASED_WORDS, CHINESE_AND_KANA, DEEPSEEK_3, DIGIT, GPT_2, GPT_4O, LAST_BLANKS, LINE_END,
    LLAMA_3, NUMBER, OTHER_SCRIPTS, PUNCTUATION, PUNCTUATION_AND_GRAVES, PUNCTUATION_WITH_BLANK,
    QWEN_2, QWEN_3_5, SEED_CODER, TEKKEN, THREE_DIGITS, UP_TO_THREE_DIGITS, WIDE_PUNCTUATION,
    WORDS,
};
use super::vocabulary::Vocabulary;
use super::words::Words;
use crate::Error;
use crate::files::checkpoint::Gguf;

/// What a name of a pre-tokenizer stands for.
#[derive(Debug)]
pub(super) struct Splitting {
    names: &'static [&'static str],
    patterns: &'static [&'static str],
    /// Whether a word that is a token as a whole is taken even where the merges would not build it.
    ignores_merges: bool,
    /// What an absent `tokenizer.ggml.add_bos_token` means.
    adds_bos: bool,
    /// Whether characters are composed (NFC) first, as the models were trained; llama.cpp does not.
    composes: bool,
}

const PLAIN: Splitting = Splitting {
    names: &[],
    patterns: &[],
    ignores_merges: false,
    adds_bos: false,
    composes: false,
};

/// The names that llama.cpp knows and files of these architectures have. Models of others are left out, as are those
/// that are not split by patterns.
const TABLE: [Splitting; 17] = [
    Splitting {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
        ],
        patterns: &[LLAMA_3],
        ignores_merges: true,
        // Llama 3 was trained with the token.
        adds_bos: true,
        ..PLAIN
    },
    Splitting {
        names: &["smaug-bpe", "dbrx", "glm4", "chatglm-bpe"],
        patterns: &[LLAMA_3],
        ..PLAIN
    },
    Splitting {
        names: &["minicpm5"],
        patterns: &[UP_TO_THREE_DIGITS, LLAMA_3],
        ignores_merges: true,
        ..PLAIN
    },
    Splitting {
        names: &["qwen2"],
        patterns: &[QWEN_2],
        composes: true,
        ..PLAIN
    },
    Splitting {
        names: &[
            "deepseek-r1-qwen",
            "megrez",
            "kormo",
            "f2llmv2",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
            "bailingmoe",
            "bailingmoe2",
            "llada-moe",
        ],
        patterns: &[QWEN_2],
        ..PLAIN
    },
    Splitting {
        names: &["qwen35"],
        patterns: &[QWEN_3_5],
        composes: true,
        ..PLAIN
    },
    Splitting {
        names: &["seed-coder"],
        patterns: &[SEED_CODER],
        ..PLAIN
    },
    Splitting {
        names: &["tekken"],
        patterns: &[TEKKEN],
        ignores_merges: true,
        adds_bos: true,
        ..PLAIN
    },
    Splitting {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        patterns: &[GPT_4O],
        ..PLAIN
    },
    Splitting {
        names: &["deepseek-llm"],
        patterns: &[
            LINE_END,
            CASED_WORDS,
            WIDE_PUNCTUATION,
            LAST_BLANKS,
            OTHER_SCRIPTS,
            NUMBER,
        ],
        ..PLAIN
    },
    Splitting {
        names: &["deepseek-coder"],
        patterns: &[
            LINE_END,
            WORDS,
            PUNCTUATION_WITH_BLANK,
            OTHER_SCRIPTS,
            DIGIT,
        ],
        ..PLAIN
    },
    Splitting {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm"],
        patterns: &[UP_TO_THREE_DIGITS, CHINESE_AND_KANA, DEEPSEEK_3],
        ..PLAIN
    },
    Splitting {
        names: &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "exaone4",
        ],
        patterns: &[GPT_2],
        ..PLAIN
    },
    Splitting {
        names: &[
            "smollm",
            "starcoder",
            "refact",
            "command-r",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
        patterns: &[DIGIT, GPT_2],
        ..PLAIN
    },
    Splitting {
        names: &["falcon"],
        patterns: &[PUNCTUATION_AND_GRAVES, GPT_2, THREE_DIGITS],
        ..PLAIN
    },
    Splitting {
        names: &["bloom", "gpt3-finnish", "poro-chat"],
        patterns: &[BLOOM],
        ..PLAIN
    },
    Splitting {
        names: &["viking"],
        patterns: &[BLOOM, DIGIT],
        ..PLAIN
    },
];

/// What converters write, or leave out, that do not know the model.
const DEFAULT: Splitting = Splitting {
    names: &["default"],
    patterns: &[PUNCTUATION, GPT_2, NUMBER, THREE_DIGITS],
    ..PLAIN
};

impl Splitting {
    pub(super) fn from_gguf(gguf: &Gguf) -> Result<&'static Self, Error> {
        let name = gguf.text("tokenizer.ggml.pre")?.unwrap_or("default");
        if name == "default" {
            tracing::warn!(
                "`tokenizer.ggml.pre` does not say how the model's texts are split: answers may be worse than the \
                 model's own"
            );
            return Ok(&DEFAULT);
        }
        let known = TABLE
            .iter()
            .find(|splitting| splitting.names.contains(&name));
        known.ok_or_else(|| {
            let names: Vec<&str> = TABLE.iter().flat_map(|of| of.names).copied().collect();
            gguf.error(format!(
                "`tokenizer.ggml.pre` must be `default` or one of {}, found `{name}`",
                names.join(", ")
            ))
        })
    }

    pub(super) fn ignores_merges(&self) -> bool {
        self.ignores_merges
    }

    pub(super) fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    pub(super) fn composes(&self) -> bool {
        self.composes
    }

    /// The words of a vocabulary, cut this way.
    pub(super) fn words(&self, bpe: BPE, vocabulary: &Vocabulary) -> Result<Words, String> {
        let cuts = self.patterns.iter().map(|pattern| {
            let pattern = SplitPattern::Regex((*pattern).into());
            let cut = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
            let cut = cut.map_err(|why| format!("a pattern of {:?}: {why}", self.names))?;
            Ok(PreTokenizerWrapper::from(cut))
        });
        let spelling = ByteLevel::new(false, false, false);
        let steps = cuts.chain([Ok(spelling.into())]);
        let steps: Result<Vec<_>, String> = steps.collect();
        let normalizer = self.composes.then(|| NFC.into());
        let steps = Sequence::new(steps?).into();
        Words::new(bpe, normalizer, Some(steps), vocabulary)
    }
}
