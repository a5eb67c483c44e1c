//! The tokens of a model as the matcher of grammars wants them: their bytes in a trie, and texts as tokens.

use std::sync::Arc;

use toktrie::{TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use crate::text::tokenizer::Tokenizer;

/// A model's tokenizer and the trie of its tokens.
pub(super) struct Environment {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl Environment {
    /// Control tokens are in the trie under names that no text has.
    pub(super) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let mut words: Vec<_> = (0..tokenizer.vocabulary() as u32)
            .map(|id| word(&tokenizer, id))
            .collect();
        let mut ends = tokenizer.ends().to_vec();
        if ends.is_empty() {
            // One that no model has: an answer then ends where nothing can follow.
            ends.push(words.len() as u32);
            words.push(b"\xff<nothing ends an answer>".to_vec());
        }
        let info = TokRxInfo::new(words.len() as u32, ends[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
        Self { tokenizer, trie }
    }
}

/// A byte that no UTF-8 has marks control tokens, and other tokens with it are left out.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    const MARK: u8 = TokTrie::SPECIAL_TOKEN_MARKER;
    if tokenizer.is_control(id) {
        let text = tokenizer.token_text(id).unwrap_or_default();
        return [&[MARK], text.as_bytes()].concat();
    }
    let mut bytes = tokenizer.bytes(id);
    if bytes.contains(&MARK) {
        bytes.clear();
    }
    bytes
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let tokens = self
            .trie
            .tokenize_with_greedy_fallback(bytes, |text| self.tokenizer.encode_within(text));
        // Some tokenizers change a text before they split it.
        match self.trie.decode_raw(&tokens) == bytes {
            true => tokens,
            false => self.trie.greedy_tokenize(bytes),
        }
    }

    /// How a text that must come is cut into tokens is left to the model, which has its habits.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}
