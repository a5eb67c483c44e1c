//! Stop texts: held back while they may still be completed, never shown.

/// Passes text on until a stop text appears.
#[derive(Debug)]
pub(crate) struct StopFilter {
    stops: Vec<String>,
    /// Text that may be the beginning of a stop text.
    held: String,
}

/// What may be shown of the text so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filtered {
    /// Go on; this much is safe to show.
    Text(String),
    /// A stop text appeared; this stood before it.
    Stopped(String),
}

impl StopFilter {
    /// A filter for non-empty texts.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes the next piece of the answer.
    pub(crate) fn push(&mut self, piece: &str) -> Filtered {
        self.held.push_str(piece);
        let found = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop))
            .min();
        if let Some(at) = found {
            self.held.truncate(at);
            return Filtered::Stopped(std::mem::take(&mut self.held));
        }
        let safe = self.held.len() - self.longest_beginning();
        let rest = self.held.split_off(safe);
        Filtered::Text(std::mem::replace(&mut self.held, rest))
    }

    /// What was held back, when the answer ends otherwise.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that begin a stop text.
    fn longest_beginning(&self) -> usize {
        let beginnings = self.stops.iter().map(|stop| beginning(&self.held, stop));
        beginnings.max().unwrap_or(0)
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
    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut filter = StopFilter::new(stops.iter().map(ToString::to_string).collect());
        let mut shown = String::new();
        for piece in pieces {
            match filter.push(piece) {
                Filtered::Text(text) => shown += &text,
                Filtered::Stopped(text) => return (shown + &text, true),
            }
        }
        (shown + &filter.finish(), false)
    }

    #[test]
    fn a_stop_text_split_over_pieces_is_never_shown() {
        let mut filter = StopFilter::new(vec!["END".into()]);
        assert_eq!(filter.push("the E"), Filtered::Text("the ".into()));
        assert_eq!(filter.push("N"), Filtered::Text(String::new()));
        assert_eq!(filter.push("D of"), Filtered::Stopped(String::new()));
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
}
