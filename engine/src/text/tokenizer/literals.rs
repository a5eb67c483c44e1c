//! Tokens that stand in a text as they are, and how to keep them out of one.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

/// A set of tokens to find in texts, the longest first where several start at one place.
#[derive(Debug)]
pub(crate) struct Literals {
    texts: Vec<String>,
    ids: Vec<u32>,
    longest: AhoCorasick,
    /// Finds overlapping occurrences too.
    every: AhoCorasick,
}

/// A stretch of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Token(u32),
    Text(&'t str),
}

impl Literals {
    pub(super) fn new<'t>(tokens: impl Iterator<Item = (u32, &'t str)>) -> Result<Self, String> {
        // A token of a single character could not be guarded against; none is known that is not a word.
        let (ids, texts): (Vec<u32>, Vec<String>) = tokens
            .filter(|(_, text)| text.chars().nth(1).is_some())
            .map(|(id, text)| (id, text.to_owned()))
            .unzip();
        let search = |kind| {
            AhoCorasick::builder()
                .match_kind(kind)
                .build(&texts)
                .map_err(|why| format!("the special tokens cannot be searched for: {why}"))
        };
        Ok(Self {
            longest: search(MatchKind::LeftmostLongest)?,
            every: search(MatchKind::Standard)?,
            texts,
            ids,
        })
    }

    /// The token of this text.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        let at = self.texts.iter().position(|token| token == text)?;
        Some(self.ids[at])
    }

    /// Cuts a text at the tokens in it.
    pub(super) fn pieces<'t>(&self, text: &'t str) -> impl Iterator<Item = Piece<'t>> {
        let mut from = 0;
        let cut = self.longest.find_iter(text).flat_map(move |found| {
            let before = &text[from..found.start()];
            from = found.end();
            let token = Piece::Token(self.ids[found.pattern().as_usize()]);
            [Piece::Text(before), token]
        });
        let last = self.longest.find_iter(text).last();
        let rest = &text[last.map_or(0, |found| found.end())..];
        cut.chain([Piece::Text(rest)])
    }

    /// Where a mark has to go into `content` so that no token can be found in it, nor across its borders whatever
    /// stands around it. Byte positions, ascending; none for almost every content.
    pub(crate) fn marks(&self, content: &str) -> BTreeSet<usize> {
        let second_character = |start: usize| {
            let first = content[start..].chars().next();
            start + first.map_or(0, char::len_utf8)
        };
        let inside = self.every.find_overlapping_iter(content);
        let mut marks: BTreeSet<usize> = inside
            .map(|found| second_character(found.start()))
            .collect();
        for token in &self.texts {
            for (cut, _) in token.char_indices().skip(1) {
                let (head, tail) = token.split_at(cut);
                if content.ends_with(head) {
                    marks.insert(second_character(content.len() - head.len()));
                }
                if content.starts_with(tail) {
                    let last = tail.chars().next_back().map_or(0, char::len_utf8);
                    marks.insert(tail.len() - last);
                }
            }
        }
        marks
    }
}
