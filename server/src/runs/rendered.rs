//! The text of a run as HTML, rendered once for all who read it in a language.

use std::sync::Arc;

use nibble_app::LiveText;
use nibble_app::language::Language;
use serde_json::json;

/// What is rendered of a text that grows.
pub(super) struct Rendered {
    pub(super) language: Language,
    live: LiveText,
    /// Bytes of the text.
    read: usize,
    /// Where each settled block ends, in bytes of the text and of their HTML.
    blocks: Vec<(usize, usize)>,
    html: String,
    tail: String,
    /// The last frame, which most readers want too.
    last: Option<Frame>,
}

/// What a reader is sent that has all settled blocks before some byte.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// From where the blocks in it go on.
    at: usize,
    /// Bytes of the text that are settled with it.
    pub(crate) settled: usize,
    read: usize,
    /// JSON with `at`, `html` and `tail`.
    pub(crate) data: Arc<str>,
}

impl Rendered {
    pub(super) fn new(language: Language) -> Self {
        Self {
            language,
            live: LiveText::new(language),
            read: 0,
            blocks: Vec::new(),
            html: String::new(),
            tail: String::new(),
            last: None,
        }
    }

    /// The frame of a text for a reader that has its blocks before the byte `settled`; where no block ends there, it begins
    /// anew.
    pub(super) fn frame(&mut self, text: &str, settled: usize) -> Frame {
        self.take(text);
        let ended = self.blocks.binary_search_by_key(&settled, |(end, _)| *end);
        let (at, from) = ended.map_or((0, 0), |index| self.blocks[index]);
        if let Some(last) = &self.last
            && (last.at, last.read) == (at, self.read)
        {
            return last.clone();
        }
        let data = json!({ "at": at, "html": self.html[from..], "tail": self.tail });
        let frame = Frame {
            at,
            settled: self.live.settled(),
            read: self.read,
            data: data.to_string().into(),
        };
        self.last.insert(frame).clone()
    }

    /// Renders what is new.
    fn take(&mut self, text: &str) {
        let new = text.get(self.read..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        self.read = text.len();
        self.live.push(new);
        if let Some(html) = self.live.settle() {
            self.html.push_str(&html);
            self.blocks.push((self.live.settled(), self.html.len()));
        }
        self.tail = self.live.tail_html();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use nibble_app::answer_html;
    use nibble_app::domain::{Answer, End, EndReason, Id, Metrics, Origin};

    use super::*;

    fn parts(frame: &Frame) -> (u64, String, String) {
        let data: serde_json::Value = serde_json::from_str(&frame.data).unwrap();
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        (data["at"].as_u64().unwrap(), text("html"), text("tail"))
    }

    #[test]
    fn a_reader_gets_the_blocks_that_it_lacks() {
        let mut rendered = Rendered::new(Language::English);
        let text = "one\n\ntwo\n\nthree\n";
        let first = rendered.frame(&text[..6], 0);
        assert_eq!(parts(&first).0, 0);
        let next = rendered.frame(text, first.settled);
        let whole = rendered.frame(text, 0);
        assert_eq!(next.settled, whole.settled);
        let (_, before, _) = parts(&first);
        let (at, html, tail) = parts(&next);
        assert_eq!(at as usize, first.settled);
        assert_eq!(
            parts(&whole),
            (0, before + &html, "<p dir=\"auto\">three</p>\n".to_owned())
        );
        assert_eq!(tail, "<p dir=\"auto\">three</p>\n");
    }

    #[test]
    fn a_byte_at_which_no_block_ends_begins_anew() {
        let mut rendered = Rendered::new(Language::English);
        for settled in [1, 6, 99] {
            let (at, html, _) = parts(&rendered.frame("one\n\ntwo\n", settled));
            assert_eq!(
                (at, html.as_str()),
                (0, "<p dir=\"auto\">one</p>\n"),
                "{settled}"
            );
        }
    }

    #[test]
    fn readers_who_are_at_the_same_byte_share_a_frame() {
        let mut rendered = Rendered::new(Language::English);
        let one = rendered.frame("one\n\ntwo\n", 0);
        let other = rendered.frame("one\n\ntwo\n", 0);
        assert!(Arc::ptr_eq(&one.data, &other.data));
    }

    /// The browser tests play it. Where rendering has changed, `NIBBLE_RECORD=1` before `cargo test` records it anew.
    #[test]
    fn the_recorded_answer_is_what_is_rendered() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../end2end/tests");
        let text = fs::read_to_string(folder.join("rich_answer.md")).unwrap();
        let mut rendered = Rendered::new(Language::English);
        let (mut settled, mut events) = (0, Vec::new());
        let lengths = (0..text.len()).step_by(24).chain([text.len()]);
        for length in lengths.skip(1).map(|at| text.floor_char_boundary(at)) {
            let frame = rendered.frame(&text[..length], settled);
            settled = frame.settled;
            events.push(format!(r#"["text", {}]"#, frame.data));
        }
        let answer = Answer {
            id: Id(1),
            thought: String::new(),
            text,
            siblings: vec![Id(1)],
            is_told_alone: false,
            origin: Origin::default(),
            end: Some(End {
                reason: EndReason::Complete,
                metrics: Some(Metrics {
                    time_to_first_token_s: Some(0.25),
                    prefill_s: Some(0.2),
                    prefill_tokens_per_second: Some(600.0),
                    decode_tokens_per_second: Some(40.0),
                    time_per_output_token_ms: Some(25.0),
                    total_s: 12.5,
                    usd_per_million_tokens: Some(6.5),
                    usd_total: 0.0033,
                    usd_share: 0.0033,
                    prompt_tokens: 120,
                    output_tokens: 500,
                    ..Metrics::default()
                }),
            }),
        };
        let done = json!({ "html": answer_html(Language::English, &answer, true), "status": "The answer is complete." });
        events.push(format!(r#"["done", {done}]"#));
        let events = format!("[\n{}\n]\n", events.join(",\n"));
        let recorded = folder.join("rich_answer.json");
        if env::var_os("NIBBLE_RECORD").is_some() {
            fs::write(&recorded, &events).unwrap();
        }
        assert!(
            fs::read_to_string(&recorded).unwrap() == events,
            "{recorded:?} is old"
        );
    }
}
