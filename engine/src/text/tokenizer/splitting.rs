//! How a text is cut into words before they are merged, by the names that `tokenizer.ggml.pre` uses.

use tokenizers::Tokenizer as Words;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::normalizer::SplitDelimiterBehavior;

use crate::Error;
use crate::files::checkpoint::Gguf;

/// Contractions, words with at most one other character before them, numbers of up to three digits, punctuation with
/// the line ends behind it, line ends, and white space without the last blank before a word.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The same with each digit alone.
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

#[derive(Clone, Copy, Debug)]
pub(super) enum Splitting {
    Gpt2,
    /// Each digit alone, the rest as GPT-2.
    Smollm,
    Llama3,
    /// Composed characters (NFC) first, as the model was trained.
    Qwen2,
}

impl Splitting {
    pub(super) fn from_gguf(gguf: &Gguf) -> Result<Self, Error> {
        match gguf.required_text("tokenizer.ggml.pre")? {
            "gpt-2" => Ok(Self::Gpt2),
            "smollm" => Ok(Self::Smollm),
            "llama-bpe" | "llama3" | "llama-v3" => Ok(Self::Llama3),
            "qwen2" => Ok(Self::Qwen2),
            // `default` is what a converter writes that did not know the model: any guess would be quietly wrong.
            other => Err(gguf.error(format!(
                "`tokenizer.ggml.pre` must be `smollm`, `llama-bpe`, `gpt-2` or `qwen2`, found `{other}`"
            ))),
        }
    }

    /// Whether a word that is a token as a whole is taken even where the merges would not build it.
    pub(super) fn ignores_merges(self) -> bool {
        matches!(self, Self::Llama3)
    }

    /// What an absent `tokenizer.ggml.add_bos_token` means; Llama 3 was trained with the token.
    pub(super) fn adds_bos(self) -> bool {
        matches!(self, Self::Llama3)
    }

    /// The words of a vocabulary, cut this way.
    pub(super) fn words(self, bpe: BPE) -> Result<Words, String> {
        let gpt2 = ByteLevel::new(false, false, true);
        let pattern = |pattern: &str| {
            Split::new(
                SplitPattern::Regex(pattern.into()),
                SplitDelimiterBehavior::Isolated,
                false,
            )
            .map_err(|why| format!("the pattern of {self:?} does not compile: {why}"))
        };
        let pre_tokenizer: PreTokenizerWrapper = match self {
            Self::Gpt2 => gpt2.into(),
            Self::Smollm => Sequence::new(vec![Digits::new(true).into(), gpt2.into()]).into(),
            Self::Llama3 => {
                Sequence::new(vec![pattern(LLAMA_3)?.into(), gpt2.use_regex(false).into()]).into()
            }
            Self::Qwen2 => {
                Sequence::new(vec![pattern(QWEN_2)?.into(), gpt2.use_regex(false).into()]).into()
            }
        };
        let mut words = Words::new(bpe);
        words.with_pre_tokenizer(Some(pre_tokenizer));
        if matches!(self, Self::Qwen2) {
            words.with_normalizer(Some(NFC));
        }
        Ok(words)
    }
}
