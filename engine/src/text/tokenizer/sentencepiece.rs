//! SentencePiece's BPE: of all pairs of neighbours that are a token together, the one with the highest score is joined.
//!
//! A file has only the scores. The merges that they stand for are all ways to cut a token in two, in the order of the
//! scores; then it is the BPE of the `tokenizers` crate, over a whole text, with bytes for what no token spells.

use std::cmp::Ordering;
use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};

use super::vocabulary::{BLANK, TokenKind, Vocabulary};
use super::words::{Words, as_blanks};

/// A word's text is cut everywhere: this bounds the work.
const MAX_BYTES: usize = 256;

/// Words merged by scores, one for each token.
pub(super) fn words(vocabulary: &Vocabulary, scores: &[f64]) -> Result<Words, String> {
    let ids: HashMap<&str, u32> = word_tokens(vocabulary).collect();
    let mut merges: Vec<(u32, &str, &str)> = Vec::new();
    for (text, id) in word_tokens(vocabulary) {
        if text.len() > MAX_BYTES {
            return Err(format!(
                "a token may have {MAX_BYTES} bytes, found {} in token {id}",
                text.len()
            ));
        }
        // Of several tokens with the same text the last counts.
        if ids.get(text) != Some(&id) {
            continue;
        }
        let cuts = text
            .char_indices()
            .skip(1)
            .map(|(cut, _)| text.split_at(cut));
        let known = cuts.filter(|(left, right)| ids.contains_key(left) && ids.contains_key(right));
        merges.extend(known.map(|(left, right)| (id, left, right)));
    }
    let score = |id: u32| scores[id as usize];
    // Stable: the cuts of one token stay together.
    merges.sort_by(|a, b| match score(b.0).total_cmp(&score(a.0)) {
        Ordering::Equal => a.0.cmp(&b.0),
        order => order,
    });
    let merges = merges.into_iter();
    let merges = merges.map(|(_, left, right)| (left.to_owned(), right.to_owned()));
    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary.words().collect::<Vocab>(), merges.collect())
        .byte_fallback(true)
        .build()
        .map_err(|why| format!("the merges of the vocabulary: {why}"))?;
    Words::new(bpe, Some(as_blanks(BLANK)?), None, vocabulary)
}

fn word_tokens(vocabulary: &Vocabulary) -> impl Iterator<Item = (&str, u32)> {
    let words = vocabulary
        .iter()
        .filter(|(_, kind, _)| *kind == TokenKind::Word);
    words.map(|(id, _, text)| (text, id))
}
