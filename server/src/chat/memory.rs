//! Where the model's memory of a conversation begins once its context is full: as many of the oldest turns as needed are left
//! out of the prompt, by the engine's own count of its tokens.
//!
//! The rest takes about half of the context, so that memory begins at the same turn for many turns to come: the engine then
//! finds all but the last turn of a prompt in its cache of prefixes, which would be lost at each turn otherwise.

use std::ops::Range;

/// How many tokens a prompt may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// As long as it has no more, memory stays as it is.
    most: usize,
    /// Where it has more, this is about what is left of it.
    rest: usize,
}

impl Room {
    /// In a context of so many tokens, before an answer of at most so many: for a long one a quarter is kept free.
    pub(super) fn of(context: usize, max_tokens: usize) -> Self {
        Self {
            most: context - max_tokens.min(context / 4),
            rest: context / 2,
        }
    }
}

/// The turn with which memory begins, of so many turns. `before` is where it began so far, and `tokens` counts a prompt that
/// begins with a turn: no more where it begins later. It is asked once where nothing changes, else once more for each halving
/// of the turns.
///
/// The last turn stays in any case, and one before it with it where there is room at all.
///
/// # Errors
/// Those of `tokens`.
pub(super) fn begins<E>(
    turns: usize,
    before: usize,
    room: Room,
    mut tokens: impl FnMut(usize) -> Result<usize, E>,
) -> Result<usize, E> {
    let last = turns.saturating_sub(1);
    if before >= last || tokens(before)? <= room.most {
        return Ok(before.min(last));
    }
    let start = first(before + 1..last, |start| Ok(tokens(start)? <= room.rest))?;
    if start < last {
        return Ok(start);
    }
    // What was said last is long, and most likely what is asked about.
    first(before + 1..last, |start| Ok(tokens(start)? <= room.most))
}

/// The first of a range for which something holds that holds for all behind it too; its end where it holds for none.
fn first<E>(
    range: Range<usize>,
    mut holds: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start.midpoint(end);
        if holds(middle)? {
            end = middle;
        } else {
            start = middle + 1;
        }
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const CONTEXT: usize = 1000;

    /// Where memory begins, and how often tokens were counted.
    fn decided(turns: &[usize], before: usize, max_tokens: usize) -> (usize, usize) {
        let mut counted = 0;
        let room = Room::of(CONTEXT, max_tokens);
        let tokens = |from: usize| {
            counted += 1;
            Ok::<usize, Infallible>(10 + turns[from..].iter().sum::<usize>())
        };
        let Ok(start) = begins(turns.len(), before, room, tokens);
        (start, counted)
    }

    #[test]
    fn what_fits_is_kept_from_where_it_began() {
        assert_eq!(decided(&[100; 9], 0, 90), (0, 1));
        assert_eq!(decided(&[100; 20], 12, 100), (12, 1));
        assert_eq!(decided(&[], 0, 100), (0, 0));
        assert_eq!(decided(&[5000], 0, 100), (0, 0));
    }

    #[test]
    fn what_does_not_fit_leaves_about_half_of_the_context() {
        // 10 and four turns of 100 are no more than 500.
        assert_eq!(decided(&[100; 10], 0, 90).0, 6);
        assert_eq!(decided(&[100; 40], 0, 90).0, 36);
        assert_eq!(decided(&[100; 40], 20, 90).0, 36);
    }

    #[test]
    fn an_answer_has_room_but_no_more_than_a_quarter() {
        assert_eq!(decided(&[100; 8], 0, 190).0, 0);
        assert_eq!(decided(&[100; 8], 0, 191).0, 4);
        assert_eq!(decided(&[100; 7], 0, 5000).0, 0);
    }

    #[test]
    fn the_last_question_stays_whatever_it_takes() {
        assert_eq!(decided(&[100, 100, 5000], 0, 90).0, 2);
        assert_eq!(decided(&[5000, 5000], 1, 90), (1, 0));
        assert_eq!(decided(&[5000, 5000], 7, 90), (1, 0));
    }

    #[test]
    fn a_long_last_answer_stays_with_the_question_about_it() {
        assert_eq!(decided(&[300, 300, 300, 600, 20], 0, 90).0, 3);
        assert_eq!(decided(&[300, 300, 300, 900, 20], 0, 90).0, 4);
    }

    #[test]
    fn memory_moves_once_in_many_turns_and_counts_few_prompts() {
        let (mut before, mut moves) = (0, 0);
        for turns in 1..=500 {
            let (start, counted) = decided(&[20; 500][..turns], before, 90);
            assert!(start >= before && counted <= 10, "{turns} {counted}");
            moves += usize::from(start > before);
            before = start;
        }
        // Of 46 turns 24 are left.
        assert_eq!(moves, (500 - 46) / 22 + 1);
    }
}
