//! The text of an answer in the making, split where its Markdown no longer changes.

use crate::markdown::{self, Outline};

/// Text so far: blocks that are settled, then a tail that is not.
#[derive(Debug, Default)]
pub struct LiveText {
    text: String,
    settled: usize,
    /// At the end of the settled blocks.
    outline: Outline,
}

impl LiveText {
    /// Takes up again where a reader has all blocks before the byte `settled` of `text`; an impossible offset
    /// begins anew.
    #[must_use]
    pub fn resume(text: String, settled: usize) -> Self {
        let settled = if text.is_char_boundary(settled) {
            settled
        } else {
            0
        };
        let mut outline = Outline::default();
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
        let mut live = LiveText::default();
        for piece in ["one", "\n\n", "two"] {
            live.push(piece);
            assert_eq!(live.settle(), None);
        }
        live.push("\n");
        assert_eq!(live.settle().as_deref(), Some("<p>one</p>\n"));
        assert_eq!((live.settled(), live.tail()), (5, "two\n"));
        assert_eq!(live.settle(), None);
    }

    #[test]
    fn a_reader_that_comes_back_misses_nothing() {
        let mut live = LiveText::resume("one\n\ntwo\n\nthree\n".into(), 5);
        assert_eq!(live.settle().as_deref(), Some("<p>two</p>\n"));
        assert_eq!(live.tail(), "three\n");
    }

    #[test]
    fn headings_keep_their_place_over_pieces_and_lost_connections() {
        let text = "## a\n\nb\n\n### c\n";
        let mut live = LiveText::resume(text.into(), 0);
        assert_eq!(live.settle().as_deref(), Some("<h3>a</h3>\n<p>b</p>\n"));
        assert_eq!(live.tail_html(), "<h4>c</h4>\n");
        assert_eq!(live.tail_html(), "<h4>c</h4>\n");
        let resumed = LiveText::resume(text.into(), live.settled());
        assert_eq!(resumed.tail_html(), "<h4>c</h4>\n");
    }

    #[test]
    fn an_offset_that_was_never_given_begins_anew() {
        for offset in [1, 99] {
            assert_eq!(LiveText::resume("é".into(), offset).settled(), 0);
        }
    }
}
