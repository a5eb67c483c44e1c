//! A conversation as Markdown: texts as they were written, under headings of who wrote them.

use std::fmt::Write;

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};

use super::facts;
use crate::answer::summary;
use crate::domain::{Conversation, Turn};
use crate::language::Language;

/// The branch that a conversation shows.
#[must_use]
pub fn markdown(t: Language, conversation: &Conversation, turns: &[Turn]) -> String {
    let mut file = format!("# {}\n", conversation.title);
    let mut put = |part: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(file, "\n{part}");
    };
    put(&facts(t, conversation, turns));
    let system_prompt = &conversation.settings.system_prompt;
    if !system_prompt.is_empty() {
        put(&format!("## {}", t.system_prompt()));
        put(&closed(system_prompt));
    }
    for Turn { question, answer } in turns {
        if question.bytes() > 0 {
            put(&format!("## {}", t.question()));
        }
        for file in &question.attachments {
            put(file.under(&t.file_named(&file.name)).trim_end());
        }
        if !question.text.is_empty() {
            put(&closed(&question.text));
        }
        put(&format!("## {}", t.answer()));
        put(&closed(&answer.text));
        let summary = summary(t, answer);
        if !summary.is_empty() {
            put(&format!("*{}*", summary.join(" · ")));
        }
    }
    file
}

/// A text, with an end for the block of code that it breaks off in and that would take in what follows.
fn closed(text: &str) -> String {
    let arena = Arena::new();
    let root = parse_document(&arena, text, &Options::default());
    let last = root.last_child().map(|block| block.data().value.clone());
    match last {
        Some(NodeValue::CodeBlock(code)) if !code.closed => {
            let fence = char::from(code.fence_char).to_string();
            format!(
                "{}\n{}",
                text.trim_end_matches('\n'),
                fence.repeat(code.fence_length)
            )
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_code_that_breaks_off_is_ended() {
        assert_eq!(
            closed("a\n\n~~~~rust\nfn main() {\n"),
            "a\n\n~~~~rust\nfn main() {\n~~~~"
        );
        for whole in ["", "a", "```\nb\n```", "    indented"] {
            assert_eq!(closed(whole), whole);
        }
    }
}
