//! A text that guesses are taken from: the sequence itself, or what was said before in its conversation. How likely a guess of
//! a passage is right is learnt for each by itself, from every token.

use super::chances::{Chance, class, likely};
use super::lookup::{Lookup, Passage};

/// From how many tokens on a passage is of a class of its own.
const CLASSES: [usize; 6] = [0, 2, 3, 5, 9, 17];
/// How likely the next token is right by the class, before anything was seen.
const PRIOR: [f64; CLASSES.len()] = [0.3, 0.3, 0.4, 0.6, 0.75, 0.85];

/// A text, the passage of it that a sequence repeats, and how often passages went on as before.
#[derive(Debug)]
pub(super) struct Source {
    /// None where it is the sequence itself.
    text: Option<Vec<u32>>,
    lookup: Lookup,
    chances: Chances,
}

impl Source {
    /// A sequence itself, of which there is the prompt.
    pub(super) fn own(prompt: &[u32]) -> Self {
        Self {
            text: None,
            lookup: Lookup::new(prompt),
            chances: Chances::default(),
        }
    }

    /// Another text, for a sequence of these tokens.
    pub(super) fn another(text: Vec<u32>, tokens: &[u32]) -> Self {
        Self {
            lookup: Lookup::of_another(&text, tokens),
            text: Some(text),
            chances: Chances::default(),
        }
    }

    /// Takes note of the last token of the sequence.
    pub(super) fn push(&mut self, tokens: &[u32]) {
        let is_right = tokens.split_last().and_then(|(last, before)| {
            let next = self.following(before).next()?;
            Some(next == *last)
        });
        if let Some((passage, is_right)) = self.lookup.passage().zip(is_right) {
            self.chances.observe(passage.length, is_right);
        }
        match &self.text {
            None => self.lookup.push(tokens),
            Some(text) => self.lookup.follow(text, tokens),
        }
    }

    /// What follows in the passage that the sequence repeats. Behind its own end it repeats itself; of what follows another text
    /// nobody knows.
    pub(super) fn following<'a>(&'a self, tokens: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let text = self.text.as_deref().unwrap_or(tokens);
        let passages = self.lookup.passage().into_iter();
        passages.flat_map(move |passage| {
            let rest = passage.rest(text).iter().copied();
            rest.cycle().take(self.left(passage))
        })
    }

    /// How likely the next token is what follows; 0 where nothing does.
    pub(super) fn chance(&self) -> f64 {
        let passage = self.lookup.passage();
        let passage = passage.filter(|passage| self.left(*passage) > 0);
        passage.map_or(0.0, |passage| self.chances.of(passage.length))
    }

    /// How likely each of at most so many guesses is right, with all before it.
    pub(super) fn likely(&self, most: usize, is_fixed: bool) -> Vec<f64> {
        let Some(passage) = self.lookup.passage() else {
            return Vec::new();
        };
        let behind = (passage.length..).take(most.min(self.left(passage)));
        likely(behind.map(|length| self.chances.of(length)), is_fixed)
    }

    /// How many tokens follow in a passage.
    fn left(&self, passage: Passage) -> usize {
        let text = self.text.as_ref();
        text.map_or(usize::MAX, |text| passage.rest(text).len())
    }
}

/// How likely the next token of a passage is what it was, by how much of it was repeated.
#[derive(Debug)]
struct Chances([Chance; CLASSES.len()]);

impl Default for Chances {
    fn default() -> Self {
        Self(PRIOR.map(Chance::of_prior))
    }
}

impl Chances {
    fn observe(&mut self, length: usize, is_right: bool) {
        self.0[class(&CLASSES, length)].observe(is_right);
    }

    fn of(&self, length: usize) -> f64 {
        self.0[class(&CLASSES, length)].of_next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_its_end_a_sequence_repeats_itself_and_another_text_ends() {
        let first = |source: &Source, tokens: &[u32]| -> Vec<u32> {
            source.following(tokens).take(5).collect()
        };
        let circle = [7, 8, 7, 8];
        assert_eq!(first(&Source::own(&circle), &circle), [7, 8, 7, 8, 7]);
        let same = [7, 7, 7];
        assert_eq!(first(&Source::own(&same), &same), [7, 7, 7, 7, 7]);
        let mut other = Source::another(vec![7, 8, 1, 2], &circle);
        assert_eq!(first(&other, &circle), [1, 2]);
        assert_eq!(other.likely(16, true).len(), 2);
        assert!(other.chance() > 0.0);
        for end in [1, 2] {
            let tokens = [&circle[..], &[1, 2][..end]].concat();
            other.push(&tokens);
        }
        assert_eq!(other.likely(16, true), Vec::<f64>::new());
        assert_eq!(other.chance(), 0.0);
    }
}
