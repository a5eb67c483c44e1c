//! The texts of control tokens, and how to keep them out of what a caller writes.

use std::collections::{BTreeSet, HashMap, HashSet};

use aho_corasick::AhoCorasick;

/// Control tokens by their texts.
#[derive(Debug)]
pub(crate) struct Literals {
    ids: HashMap<String, u32>,
    /// Finds every occurrence, those that overlap too.
    occurrences: AhoCorasick,
    /// What a text may end with, and a token begin with without ending there.
    heads: HashSet<String>,
    /// What a text may begin with, and a token end with without beginning there.
    tails: HashSet<String>,
    /// Bytes of the longest head or tail.
    reach: usize,
}

impl Literals {
    pub(super) fn new<'t>(tokens: impl Iterator<Item = (u32, &'t str)>) -> Result<Self, String> {
        // No mark fits into a token of a single character, which therefore is none in a conversation.
        let ids: HashMap<String, u32> = tokens
            .filter(|(_, text)| text.chars().nth(1).is_some())
            .map(|(id, text)| (text.to_owned(), id))
            .collect();
        let occurrences = AhoCorasick::new(ids.keys())
            .map_err(|why| format!("the control tokens cannot be searched for: {why}"))?;
        let cuts = ids.keys().flat_map(|token| {
            let inner = token.char_indices().skip(1);
            inner.map(|(cut, _)| token.split_at(cut))
        });
        let (heads, tails): (HashSet<_>, HashSet<_>) = cuts
            .map(|(head, tail)| (head.to_owned(), tail.to_owned()))
            .unzip();
        let reach = heads.iter().chain(&tails).map(String::len).max();
        Ok(Self {
            ids,
            occurrences,
            heads,
            tails,
            reach: reach.unwrap_or(0),
        })
    }

    /// The token of this text.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// Where a mark has to go into `content` so that no token can be found in it, nor across its borders whatever
    /// stands around it. Byte positions, ascending; none for almost every content.
    pub(crate) fn marks(&self, content: &str) -> BTreeSet<usize> {
        let second_character = |start: usize| {
            let first = content[start..].chars().next();
            start + first.map_or(0, char::len_utf8)
        };
        let inside = self.occurrences.find_overlapping_iter(content);
        let inside = inside.map(|found| second_character(found.start()));
        let suffixes = content.char_indices().rev();
        let suffixes = suffixes.take_while(|(start, _)| content.len() - start <= self.reach);
        let at_the_end = suffixes
            .filter(|(start, _)| self.heads.contains(&content[*start..]))
            .map(|(start, _)| second_character(start));
        let prefixes = content.char_indices();
        let prefixes = prefixes.take_while(|(last, _)| *last < self.reach);
        let at_the_start = prefixes
            .filter(|(last, character)| {
                let prefix = &content[..last + character.len_utf8()];
                self.tails.contains(prefix)
            })
            .map(|(last, _)| last);
        inside.chain(at_the_end).chain(at_the_start).collect()
    }
}
