//! Whether an answer goes round in circles.
//!
//! Of each length that a passage may have, it is known for how many tokens the answer has been what it was so far before.
//! A token is compared with one for each length, so nothing is searched for and nothing is missed.

/// The longest passage that is looked for.
const PASSAGE: usize = 64;
/// Passages of the longest kind that are too many.
const TIMES: usize = 4;
/// An answer that says the same over and over for so many tokens goes round in circles.
const CIRCLES: usize = TIMES * PASSAGE;

/// What is known of the last tokens of an answer.
#[derive(Debug)]
pub(crate) struct Repetition {
    /// By the length of a passage, from 1: how many of the last tokens are those that came so many before them.
    equal: [usize; PASSAGE],
}

impl Default for Repetition {
    fn default() -> Self {
        Self {
            equal: [0; PASSAGE],
        }
    }
}

impl Repetition {
    /// Takes note of the last of all tokens that were put out. Whether the last [`CIRCLES`] of them are one passage of at most
    /// [`PASSAGE`] tokens, over and over.
    pub(crate) fn push(&mut self, put_out: &[u32]) -> bool {
        let Some((last, before)) = put_out.split_last() else {
            return false;
        };
        let mut circles = false;
        for ((equal, earlier), length) in self.equal.iter_mut().zip(before.iter().rev()).zip(1..) {
            *equal = if earlier == last { *equal + 1 } else { 0 };
            circles |= *equal + length >= CIRCLES;
        }
        circles
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// After how many tokens it is found that they go round in circles.
    fn found(tokens: &[u32]) -> Option<usize> {
        let mut repetition = Repetition::default();
        (1..=tokens.len()).find(|len| repetition.push(&tokens[..*len]))
    }

    /// A passage over and over, until there are so many tokens.
    fn repeated(passage: impl IntoIterator<Item = u32, IntoIter: Clone>, len: usize) -> Vec<u32> {
        passage.into_iter().cycle().take(len).collect()
    }

    #[test]
    fn four_times_the_same_64_tokens_are_too_many_and_not_one_token_fewer() {
        let before = 1000..1100;
        for length in [1, 2, 3, 7, 63, 64] {
            let passage = repeated(0..length, 1000);
            let answer: Vec<u32> = before.clone().chain(passage).collect();
            assert_eq!(found(&answer), Some(100 + CIRCLES), "{length}");
            assert_eq!(found(&answer[..100 + CIRCLES - 1]), None, "{length}");
        }
    }

    #[test]
    fn longer_passages_are_none() {
        assert_eq!(found(&repeated(0..65, 1000)), None);
    }

    #[test]
    fn lists_of_numbers_and_a_laugh_are_none() {
        // A separator and a number, of one to three digits, for each line.
        let line = |number: u32| {
            [
                vec![500],
                number.to_string().bytes().map(u32::from).collect(),
            ]
        };
        let numbers: Vec<u32> = (1..1000).flat_map(line).flatten().collect();
        assert_eq!(found(&numbers), None);
        let laugh = repeated([7, 8], CIRCLES - 1);
        assert_eq!(found(&[&laugh[..], &[9], &laugh].concat()), None);
        // A table whose rows differ in one token of 40.
        let row = |row: u32| (0..40).map(move |cell| if cell == 20 { 100 + row } else { cell });
        assert_eq!(found(&(0..100).flat_map(row).collect::<Vec<_>>()), None);
    }

    proptest! {
        #[test]
        fn it_is_found_where_it_is_by_its_definition(
            parts in prop::collection::vec((prop::collection::vec(0u32..3, 1..70), 1usize..300), 1..4),
        ) {
            let parts = parts.into_iter().map(|(passage, len)| repeated(passage, len));
            let tokens = parts.collect::<Vec<_>>().concat();
            let circles = |len: &usize| {
                let last = &tokens[len - CIRCLES..*len];
                (1..=PASSAGE).any(|length| last[length..] == last[..CIRCLES - length])
            };
            prop_assert_eq!(found(&tokens), (CIRCLES..=tokens.len()).find(circles));
        }
    }
}
