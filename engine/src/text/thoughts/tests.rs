use proptest::prelude::*;

use super::*;

const OPEN: &str = "<|im_start|>assistant\n<think>\n";
const PLAIN: &str = "<|im_start|>assistant\n";

fn part(thought: &str, answer: &str) -> Part {
    Part {
        thought: thought.to_owned(),
        answer: answer.to_owned(),
    }
}

/// What pieces come to behind a prompt.
fn read<'p>(prompt: &str, family: &str, pieces: impl IntoIterator<Item = &'p str>) -> Part {
    let mut reader = ThoughtReader::behind(prompt, Marks::named_in(family).unwrap());
    let mut whole = Part::default();
    let mut add = |part: Part| {
        assert!(part.thought.is_empty() || whole.answer.is_empty());
        whole.thought += &part.thought;
        whole.answer += &part.answer;
    };
    for piece in pieces {
        add(reader.push(piece));
    }
    add(reader.finish());
    whole
}

/// The same, whole and a character at a time.
fn told(prompt: &str, written: &str) -> Part {
    let whole = read(prompt, "<think>", [written]);
    let cut = read(prompt, "<think>", written.split_inclusive(|_| true));
    assert_eq!(whole, cut, "{written}");
    whole
}

#[test]
fn a_thought_ends_at_its_mark_and_blank_lines_around_marks_belong_to_nobody() {
    for (written, expected) in [
        ("<think>hm</think>Yes.", part("hm", "Yes.")),
        ("<think>\nhm\n</think>\n\nYes.\n", part("hm", "Yes.\n")),
        (
            "\n\n<think>\n\n  hm,\n\nwell \n</think>\n \n  1. Yes",
            part("  hm,\n\nwell", "  1. Yes"),
        ),
        ("<think>a</think> b", part("a", " b")),
        ("<think>\n\n</think>\n\nYes.", part("", "Yes.")),
        ("<think></think>", part("", "")),
        ("<think>hm</think>\n\n", part("hm", "")),
        ("<think>a <think> b</think>c", part("a <think> b", "c")),
    ] {
        assert_eq!(told(PLAIN, written), expected, "{written}");
    }
}

#[test]
fn behind_a_prompt_that_opened_the_thought_only_the_closing_mark_is_written() {
    for (written, expected) in [
        ("hm\n</think>\n\nYes.", part("hm", "Yes.")),
        ("</think>Yes.", part("", "Yes.")),
        ("\n<think>\nhm</think>Yes.", part("hm", "Yes.")),
        ("cut o", part("cut o", "")),
        ("cut off </thi", part("cut off </thi", "")),
    ] {
        assert_eq!(told(OPEN, written), expected, "{written}");
    }
}

#[test]
fn without_an_opening_mark_everything_is_the_answer() {
    for written in [
        "",
        " \n Yes.\n",
        "<thin",
        "<thinking>",
        "Yes <think>no</think>",
        "hm</think>Yes.",
        "</think>",
        "`<think>`",
    ] {
        assert_eq!(told(PLAIN, written), part("", written));
    }
}

#[test]
fn marks_behind_the_thought_are_text() {
    let written = "<think>a</think>b </think> <think>c</think>";
    let expected = part("a", "b </think> <think>c</think>");
    assert_eq!(told(PLAIN, written), expected);
}

#[test]
fn what_is_decided_is_not_held_back() {
    let marks = Marks::named_in("<think>").unwrap();
    let mut reader = ThoughtReader::behind(PLAIN, marks);
    assert_eq!(reader.push("<thi"), Part::default());
    assert!(!reader.is_thinking() && !reader.is_answering());
    assert_eq!(reader.push("nk>a b"), part("a b", ""));
    assert!(reader.is_thinking());
    assert_eq!(reader.push(" <"), Part::default());
    assert_eq!(reader.push("c"), part(" <c", ""));
    assert_eq!(reader.push("</think>"), Part::default());
    assert!(!reader.is_thinking() && !reader.is_answering());
    assert_eq!(reader.push("\n\nd "), part("", "d "));
    assert!(reader.is_answering());
    assert_eq!(reader.push("<"), part("", "<"));
}

#[test]
fn marks_are_those_that_a_template_names() {
    let named = |source| Marks::named_in(source).map(|marks| marks.opening);
    assert_eq!(
        named("{{ content.split('</think>')[-1] }}"),
        Some("<think>")
    );
    assert_eq!(named("{{ '<think>\\n' }}"), Some("<think>"));
    assert_eq!(named("[THINK]{{ thought }}[/THINK]"), Some("[THINK]"));
    assert_eq!(named("{{ 'think' ~ '[INST]' }}<thinking>"), None);
}

#[test]
fn long_texts_of_beginnings_and_blanks_take_no_longer() {
    const MEGABYTE: usize = 1 << 20;
    for part in ["<think", "</think", " ", "\n", " <", "a \n"] {
        let long = part.repeat(MEGABYTE / part.len());
        for prompt in [PLAIN, OPEN] {
            let bytes = long.as_bytes().chunks(16);
            let pieces = bytes.map(|bytes| std::str::from_utf8(bytes).unwrap());
            let Part { thought, answer } = read(prompt, "<think>", pieces);
            let kept = if prompt == OPEN { thought } else { answer };
            assert!(kept.trim() == long.trim(), "{part}");
        }
    }
}

/// By its definition: the whole text at once.
fn expected(opened: bool, marks: &Marks, written: &str) -> Part {
    let without_blank_lines = |text: &str| {
        let blank = text.len() - text.trim_start().len();
        let lines = text[..blank].rfind('\n').map_or(0, |end| end + 1);
        text[lines..].to_owned()
    };
    let (mut opened, mut thought) = (opened, written);
    while let Some(behind) = thought.trim_start().strip_prefix(marks.opening) {
        (opened, thought) = (true, behind);
    }
    if !opened {
        return part("", written);
    }
    let (thought, answer) = thought.split_once(marks.closing).unwrap_or((thought, ""));
    let answer = match answer.trim().is_empty() {
        true => String::new(),
        false => without_blank_lines(answer),
    };
    part(without_blank_lines(thought).trim_end(), &answer)
}

proptest! {
    #[test]
    fn pieces_make_no_difference_and_give_what_the_whole_text_is(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<think>", "</think>", "[THINK]", "[/THINK]", "<thi", "nk>", "</", "[", "<", ">", " ", "\n", "\r\n", "\u{3000}", "é", "🦀", "text",
            ]),
            0..14,
        ),
        cuts in prop::collection::vec(0..120_usize, 0..8),
        opened in any::<bool>(),
    ) {
        let written = parts.concat();
        let mut pieces = vec![written.as_str()];
        for cut in cuts {
            let last = pieces[pieces.len() - 1];
            if last.is_char_boundary(cut) {
                let (head, tail) = last.split_at(cut);
                pieces.pop();
                pieces.extend([head, tail]);
            }
        }
        for marks in &KNOWN {
            let prompt = if opened { marks.opening } else { "" };
            let told = read(prompt, marks.opening, pieces.iter().copied());
            prop_assert_eq!(told, expected(opened, marks, &written));
        }
    }
}

#[test]
fn what_goes_on_with_a_text_is_of_its_thought_or_behind_it() {
    let marks = Marks::named_in("<think>").unwrap();
    for (said, thought, answer) in [
        ("", "", "a</think>b"),
        ("Let me", "", "a</think>b"),
        ("<think>", "a", "b"),
        ("<think>\nOr", "a", "b"),
        ("<think>\nOr</think>\n\nSo", "", "a</think>b"),
        ("<thi", "", "a</think>b"),
        ("<think>Or</thi", "a", "b"),
    ] {
        let mut reader = ThoughtReader::going_on(said, marks);
        let mut parts = reader.push("a</think>b");
        let rest = reader.finish();
        parts.thought += &rest.thought;
        parts.answer += &rest.answer;
        let expected = Part {
            thought: thought.to_owned(),
            answer: answer.to_owned(),
        };
        assert_eq!(parts, expected, "{said}");
    }
}
