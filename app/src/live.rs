//! The text of an answer in the making, split where its Markdown no longer changes.

use crate::language::Language;
use crate::markdown::{self, Outline};

/// Text so far: blocks that are settled, then a tail that is not.
#[derive(Debug)]
pub struct LiveText {
    text: String,
    settled: usize,
    /// At the end of the settled blocks.
    outline: Outline,
}

impl LiveText {
    /// Nothing yet, for readers of a language.
    #[must_use]
    pub fn new(t: Language) -> Self {
        Self {
            text: String::new(),
            settled: 0,
            outline: Outline::new(t),
        }
    }

    /// Takes up again where a reader has all blocks before the byte `settled` of `text`; an impossible offset
    /// begins anew.
    #[must_use]
    pub fn resume(t: Language, text: String, settled: usize) -> Self {
        let settled = if text.is_char_boundary(settled) {
            settled
        } else {
            0
        };
        let mut outline = Outline::new(t);
        let _ = outline.to_html(&text[..settled]);
        Self {
            text,
            settled,
            outline,
        }
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The bytes of text in settled blocks.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// The HTML of the blocks that have settled since the last call, if any.
    pub fn settle(&mut self) -> Option<String> {
        let open = &self.text[self.settled..];
        let length = markdown::last_block(open);
        if length == 0 {
            return None;
        }
        self.settled += length;
        Some(self.outline.to_html(&open[..length]))
    }

    /// The HTML of what is not settled.
    #[must_use]
    pub fn tail_html(&self) -> String {
        self.outline.clone().to_html(self.tail())
    }

    /// The Markdown that is not settled.
    #[must_use]
    pub fn tail(&self) -> &str {
        &self.text[self.settled..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_settles_when_the_next_has_a_line() {
        let mut live = LiveText::new(Language::English);
        for piece in ["one", "\n\n", "two"] {
            live.push(piece);
            assert_eq!(live.settle(), None);
        }
        live.push("\n");
        assert_eq!(live.settle().as_deref(), Some("<p dir=\"auto\">one</p>\n"));
        assert_eq!((live.settled(), live.tail()), (5, "two\n"));
        assert_eq!(live.settle(), None);
    }

    #[test]
    fn a_reader_that_comes_back_misses_nothing() {
        let mut live = LiveText::resume(Language::English, "one\n\ntwo\n\nthree\n".into(), 5);
        assert_eq!(live.settle().as_deref(), Some("<p dir=\"auto\">two</p>\n"));
        assert_eq!(live.tail(), "three\n");
    }

    #[test]
    fn headings_keep_their_place_over_pieces_and_lost_connections() {
        let text = "## a\n\nb\n\n### c\n";
        let mut live = LiveText::resume(Language::English, text.into(), 0);
        assert_eq!(
            live.settle().as_deref(),
            Some("<h3 dir=\"auto\">a</h3>\n<p dir=\"auto\">b</p>\n")
        );
        assert_eq!(live.tail_html(), "<h4 dir=\"auto\">c</h4>\n");
        assert_eq!(live.tail_html(), "<h4 dir=\"auto\">c</h4>\n");
        let resumed = LiveText::resume(Language::English, text.into(), live.settled());
        assert_eq!(resumed.tail_html(), "<h4 dir=\"auto\">c</h4>\n");
    }

    #[test]
    fn an_offset_that_was_never_given_begins_anew() {
        for offset in [1, 99] {
            assert_eq!(
                LiveText::resume(Language::English, "é".into(), offset).settled(),
                0
            );
        }
    }
}
