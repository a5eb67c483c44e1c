//! Where a sequence said the same before: the passage that its end repeats, as far back as that goes, of its own or of another
//! text.
//!
//! Ends of two tokens are kept with the positions behind them, each with the one before, as compressors of the LZ77 kind do.
//! A passage that goes on as it did is followed without a search, so a token takes constant time; one that is left is followed
//! behind the token that was another, until there is a better one. Nothing is compared with
//! sequences of other conversations: who shares a machine learns nothing by how fast answers come.

use std::collections::HashMap;
use std::iter;

/// Passages with the same two tokens of which the longest is looked for, from the last on.
const CANDIDATES: usize = 32;
/// How long a passage is compared.
pub(super) const LONGEST: usize = 32;

/// The positions of a text by the tokens before them, and where a sequence repeats it; often its own.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Behind which position these two tokens stood last; that is where they would be followed.
    latest: HashMap<[u32; 2], usize>,
    /// For each position the one before it behind the same two tokens, 0 where there is none.
    earlier: Vec<usize>,
    passage: Option<Passage>,
}

/// A passage that the end of the sequence repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// Where it goes on.
    next: usize,
    /// How many tokens before that are repeated; fewer than two where one before them was another.
    pub(super) length: usize,
}

impl Passage {
    /// What follows in its text.
    pub(super) fn rest(self, text: &[u32]) -> &[u32] {
        &text[self.next..]
    }
}

impl Lookup {
    /// Of a sequence itself, of which there is the prompt.
    pub(super) fn new(prompt: &[u32]) -> Self {
        let mut lookup = Self::of(prompt);
        lookup.passage = lookup.longest(prompt, prompt, lookup.earlier[prompt.len()]);
        lookup
    }

    /// Of another text, for a sequence of these tokens.
    pub(super) fn of_another(text: &[u32], tokens: &[u32]) -> Self {
        let mut lookup = Self::of(text);
        lookup.passage = lookup.longest(text, tokens, lookup.latest(tokens));
        lookup
    }

    /// Takes note of the last token of the sequence, which is the text itself.
    pub(super) fn push(&mut self, tokens: &[u32]) {
        self.enter(tokens);
        self.go_on(tokens, tokens, self.earlier[tokens.len()]);
    }

    /// Takes note of the last token of a sequence; the text is another.
    pub(super) fn follow(&mut self, text: &[u32], tokens: &[u32]) {
        self.go_on(text, tokens, self.latest(tokens));
    }

    fn of(text: &[u32]) -> Self {
        let mut lookup = Self {
            latest: HashMap::with_capacity(text.len()),
            earlier: vec![0],
            passage: None,
        };
        for end in 1..=text.len() {
            lookup.enter(&text[..end]);
        }
        lookup
    }

    /// Where the last two tokens stood last in the text, 0 where they did not.
    fn latest(&self, tokens: &[u32]) -> usize {
        match tokens {
            [.., first, second] => self.latest.get(&[*first, *second]).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Follows the passage by one token, or finds another; the last two tokens stood last behind `latest`.
    fn go_on(&mut self, text: &[u32], tokens: &[u32], latest: usize) {
        let followed = self.passage.and_then(|Passage { next, length }| {
            let said = text.get(next)?;
            Some(Passage {
                next: next + 1,
                // One token may be all that is another.
                length: match Some(said) == tokens.last() {
                    true => length + 1,
                    false => 0,
                },
            })
        });
        self.passage = match followed {
            Some(passage) if passage.length >= 2 => followed,
            _ => self.longest(text, tokens, latest).or(followed),
        };
    }

    /// The passage that the end repeats, or has just left, if there is one.
    pub(super) fn passage(&self) -> Option<Passage> {
        self.passage
    }

    fn enter(&mut self, tokens: &[u32]) {
        let before = match tokens {
            [.., first, second] => self.latest.insert([*first, *second], tokens.len()),
            _ => None,
        };
        self.earlier.push(before.unwrap_or(0));
    }

    /// Of several that are as long, the last.
    fn longest(&self, text: &[u32], tokens: &[u32], latest: usize) -> Option<Passage> {
        let some = |position: usize| Some(position).filter(|position| *position > 0);
        let before = |position: &usize| some(self.earlier[*position]);
        let candidates = iter::successors(some(latest), before).take(CANDIDATES);
        let passages = candidates.map(|next| Passage {
            next,
            length: repeated(&text[..next], tokens),
        });
        passages.min_by_key(|passage| std::cmp::Reverse(passage.length))
    }
}

/// How many of the last tokens are the same, up to the longest passage.
fn repeated(one: &[u32], other: &[u32]) -> usize {
    let pairs = one.iter().rev().zip(other.iter().rev());
    pairs.take(LONGEST).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn following(tokens: &[u32], count: usize) -> Option<Vec<u32>> {
        let rest = Lookup::new(tokens).passage()?.rest(tokens);
        Some(rest.iter().copied().take(count).collect())
    }

    #[test]
    fn the_longest_passage_is_followed_and_of_equals_the_last() {
        assert_eq!(following(&[1, 2, 3, 4, 9, 2, 3], 2), Some(vec![4, 9]));
        // Behind 1 2 3 came a 4, which is longer ago than the 5 behind 2 3.
        let tokens = [1, 2, 3, 4, 0, 2, 3, 5, 1, 2, 3];
        assert_eq!(following(&tokens, 1), Some(vec![4]));
        let tokens = [2, 3, 4, 0, 2, 3, 5, 1, 2, 3];
        assert_eq!(following(&tokens, 1), Some(vec![5]));
        assert_eq!(following(&[1, 2, 3, 4, 2], 1), None);
        assert_eq!(following(&[], 1), None);
    }

    #[test]
    fn a_passage_is_followed_behind_a_token_that_is_another() {
        let tokens = [1, 2, 3, 4, 5, 6, 0, 1, 2, 9];
        let mut lookup = Lookup::new(&tokens[..9]);
        lookup.push(&tokens);
        let passage = lookup.passage().unwrap();
        assert_eq!(passage.length, 0);
        assert_eq!(passage.rest(&tokens)[..2], [4, 5]);
    }

    #[test]
    fn another_text_is_followed_to_its_end_and_found_again() {
        let text = [1, 2, 3, 4, 5];
        let mut tokens = vec![9, 8, 1, 2];
        let mut lookup = Lookup::of_another(&text, &tokens);
        assert_eq!(lookup.passage().unwrap().rest(&text), [3, 4, 5]);
        for (token, rest) in [(3, &[4, 5][..]), (7, &[5][..]), (5, &[][..]), (1, &[][..])] {
            tokens.push(token);
            lookup.follow(&text, &tokens);
            let found = lookup.passage().map(|passage| passage.rest(&text));
            assert_eq!(found.unwrap_or_default(), rest, "{token}");
        }
        // What the sequence says itself is no part of the text.
        assert_eq!(lookup.passage(), None);
        tokens.push(2);
        lookup.follow(&text, &tokens);
        assert_eq!(lookup.passage().unwrap().rest(&text), [3, 4, 5]);
    }

    proptest! {
        #[test]
        fn what_is_found_was_said_before_and_one_token_at_a_time_finds_as_much(
            tokens in prop::collection::vec(0u32..5, 0..80), prompt in 0usize..80
        ) {
            let prompt = prompt.min(tokens.len());
            let mut lookup = Lookup::new(&tokens[..prompt]);
            for end in prompt + 1..=tokens.len() {
                lookup.push(&tokens[..end]);
                let found = lookup.passage();
                let is_known = (2..end).any(|at| tokens[at - 2..at] == tokens[end.saturating_sub(2)..end]);
                let Some(Passage { next, length }) = found else {
                    prop_assert!(!is_known);
                    continue;
                };
                prop_assert_eq!(length >= 2, is_known);
                prop_assert!(next < end && length <= next);
                prop_assert_eq!(&tokens[next - length..next], &tokens[end - length..end]);
                let fresh = Lookup::new(&tokens[..end]).passage();
                prop_assert!(fresh.is_none_or(|fresh| length.min(LONGEST) >= fresh.length));
            }
        }
    }
}
