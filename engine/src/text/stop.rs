//! Stop texts: held back while they may still be completed, and shown only to who asks for it.

use std::collections::HashMap;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

/// Passes text on until a stop text appears. All stop texts are looked for at once, and each byte is looked at once.
#[derive(Debug)]
pub(crate) struct StopFilter {
    automaton: NFA,
    /// Bytes of the stop text of which a state has seen the beginning, the longest one; none is 0.
    begun: HashMap<StateID, usize>,
    state: StateID,
    /// Text that may be the beginning of a stop text.
    pending: String,
    /// Whether the stop text is shown that ends the answer.
    shows_stop: bool,
}

/// What may be shown of the text so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filtered {
    /// Go on; this much is safe to show.
    Text(String),
    /// A stop text appeared; this stood before it, or goes to its end where it is shown.
    Stopped(String),
}

impl StopFilter {
    /// A filter for non-empty texts.
    ///
    /// # Panics
    /// For texts of gigabytes.
    pub(crate) fn new(stops: &[String], shows_stop: bool) -> Self {
        let automaton = NFA::new(stops).expect("stop texts are short");
        let start = automaton
            .start_state(Anchored::No)
            .expect("an automaton is not anchored unless asked for");
        let mut begun = HashMap::new();
        for stop in stops {
            let mut state = start;
            for (read, byte) in stop.bytes().enumerate() {
                state = automaton.next_state(Anchored::No, state, byte);
                begun.insert(state, read + 1);
            }
        }
        Self {
            automaton,
            begun,
            state: start,
            pending: String::new(),
            shows_stop,
        }
    }

    /// Takes the next piece of the answer. Where the answer may not end yet, a stop text that it completes is text like any
    /// other.
    pub(crate) fn push(&mut self, piece: &str, may_end: bool) -> Filtered {
        let before = self.pending.len();
        self.pending.push_str(piece);
        for (at, byte) in piece.bytes().enumerate() {
            self.state = self.automaton.next_state(Anchored::No, self.state, byte);
            if may_end && self.automaton.is_match(self.state) {
                let shown = match self.shows_stop {
                    true => 0,
                    false => self.longest_match(),
                };
                self.pending.truncate(before + at + 1 - shown);
                return Filtered::Stopped(std::mem::take(&mut self.pending));
            }
        }
        let begun = self.begun.get(&self.state).copied().unwrap_or(0);
        let rest = self.pending.split_off(self.pending.len() - begun);
        Filtered::Text(std::mem::replace(&mut self.pending, rest))
    }

    /// Bytes of the longest stop text that ends in this state.
    fn longest_match(&self) -> usize {
        let matches = 0..self.automaton.match_len(self.state);
        let lengths = matches.map(|index| {
            let stop = self.automaton.match_pattern(self.state, index);
            self.automaton.pattern_len(stop)
        });
        lengths.max().unwrap_or(0)
    }

    /// What was held back, when the answer ends otherwise.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.pending)
    }
}

/// Bytes at the end of `text` that begin `wanted` and are not all of it.
pub(crate) fn beginning(text: &str, wanted: &str) -> usize {
    let ends = wanted.char_indices().map(|(at, _)| at).skip(1);
    let begun = ends.filter(|end| text.ends_with(&wanted[..*end]));
    begun.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(stops: &[&str]) -> StopFilter {
        let stops: Vec<_> = stops.iter().map(ToString::to_string).collect();
        StopFilter::new(&stops, false)
    }

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut filter = filter(stops);
        let mut shown = String::new();
        for piece in pieces {
            match filter.push(piece, true) {
                Filtered::Text(text) => shown += &text,
                Filtered::Stopped(text) => return (shown + &text, true),
            }
        }
        (shown + &filter.finish(), false)
    }

    #[test]
    fn a_stop_text_split_over_pieces_is_never_shown() {
        let mut filter = filter(&["END"]);
        assert_eq!(filter.push("the E", true), Filtered::Text("the ".into()));
        assert_eq!(filter.push("N", true), Filtered::Text(String::new()));
        assert_eq!(filter.push("D of", true), Filtered::Stopped(String::new()));
    }

    #[test]
    fn a_beginning_that_comes_to_nothing_is_shown() {
        assert_eq!(run(&["END"], &["E", "N", "x"]), ("ENx".into(), false));
        assert_eq!(run(&["END"], &["an E"]), ("an E".into(), false));
        assert_eq!(run(&["aab"], &["a", "a", "a", "b"]), ("a".into(), true));
    }

    #[test]
    fn the_earliest_of_several_stop_texts_counts() {
        assert_eq!(
            run(&["world", "o"], &["hello world"]),
            ("hell".into(), true)
        );
    }

    #[test]
    fn characters_are_never_cut() {
        assert_eq!(
            run(&["好的"], &["你好", "吗好", "的"]),
            ("你好吗".into(), true)
        );
    }

    #[test]
    fn of_stop_texts_within_each_other_the_first_to_be_complete_counts() {
        for pieces in [&["xabcd"][..], &["x", "a", "b", "c", "d"]] {
            assert_eq!(run(&["abcd", "bc"], pieces), ("xa".into(), true));
            assert_eq!(run(&["d", "abcd"], pieces), ("x".into(), true));
        }
    }

    #[test]
    fn before_an_answer_may_end_a_stop_text_is_text() {
        let mut filter = filter(&["END"]);
        let shown = |filtered| match filtered {
            Filtered::Text(text) => text,
            Filtered::Stopped(text) => panic!("stopped behind {text}"),
        };
        let early = shown(filter.push("aEND", false)) + &shown(filter.push("bE", false));
        assert_eq!(early, "aENDb");
        assert_eq!(filter.push("NDc", true), Filtered::Stopped(String::new()));
    }

    #[test]
    fn whoever_wants_it_is_shown_the_stop_text() {
        let stops = ["END".to_owned(), "D".to_owned()];
        let mut filter = StopFilter::new(&stops, true);
        assert_eq!(filter.push("the EN", true), Filtered::Text("the ".into()));
        assert_eq!(filter.push("D of", true), Filtered::Stopped("END".into()));
    }

    #[test]
    fn without_stop_texts_nothing_is_held_back() {
        assert_eq!(
            filter(&[]).push("all of it", true),
            Filtered::Text("all of it".into())
        );
    }

    proptest! {
        #[test]
        fn how_an_answer_is_cut_makes_no_difference(
            stops in prop::collection::vec("[ab好]{1,4}", 0..4),
            answer in "[abc好]{0,20}",
        ) {
            let stops: Vec<_> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<_> = answer.split_inclusive(|_| true).collect();
            let (shown, stopped) = run(&stops, &pieces);
            prop_assert_eq!(run(&stops, &[&answer]), (shown.clone(), stopped));
            let first_end = stops.iter().filter_map(|stop| Some(answer.find(stop)? + stop.len())).min();
            prop_assert_eq!(stopped, first_end.is_some());
            let ends = first_end.map_or(answer.as_str(), |end| &answer[..end]);
            let stop = stops.iter().filter(|stop| ends.ends_with(**stop)).map(|stop| stop.len()).max();
            let expected = &ends[..ends.len() - stop.filter(|_| stopped).unwrap_or(0)];
            prop_assert_eq!(shown, expected);
        }
    }
}
