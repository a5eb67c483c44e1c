//! A question as HTML: its files, folded, and what was typed, of which a long one shows its beginning until its check box is
//! pressed. All of it is in the page, where a browser's search and a screen reader find it, and on paper.

use leptos::prelude::*;

use super::acts::QuestionActs;
use crate::chat::{Attachment, Id, Question};
use crate::figures::bytes;
use crate::language::Language;

/// A question of more lines than this folds, some more than it then shows: to unfold one is to be worth it.
const LINES: usize = 18;
/// Characters that about fill a line.
const LINE_CHARACTERS: usize = 64;

#[component]
pub(super) fn QuestionView(
    t: Language,
    question: Question,
    conversation: Option<Id>,
) -> impl IntoView {
    let id = question.id.to_string();
    let text = question.text.clone();
    let files = question.attachments.iter().map(file).collect_view();
    // Where an imported chat begins with an answer.
    let is_empty = text.is_empty() && question.attachments.is_empty();
    let is_long = is_long(&text);
    let class = if is_long { "question long" } else { "question" };
    let acts = conversation.map(|conversation| {
        view! { <QuestionActs t question conversation=conversation.to_string()/> }
    });
    view! {
        <article class=class aria-label=t.question() id=format!("m-{id}") data-question=id hidden=is_empty>
            {files}
            {(!text.is_empty()).then(|| view! { <p dir="auto">{text}</p> })}
            {is_long.then(|| view! { <label class="unfold"><input type="checkbox" class="unseen" autocomplete="off"/>{t.show_all()}</label> })}
        </article>
        {acts}
    }
}

/// A file: its name and size, and its text where that is wanted.
fn file(file: &Attachment) -> impl IntoView + use<> {
    let Attachment { name, text } = file;
    let size = bytes(text.len() as u64);
    // HTML drops one line break at the start of a `pre`.
    let text = format!("\n{text}");
    view! {
        <details class="file">
            <summary><bdi dir="auto">{name.clone()}</bdi><small>{size}</small></summary>
            <pre dir="auto" tabindex="0" aria-label=name.clone()>{text}</pre>
        </details>
    }
    .into_any()
}

fn is_long(text: &str) -> bool {
    let lines = text.lines().map(|line| {
        let characters = line.chars().count();
        characters.div_ceil(LINE_CHARACTERS).max(1)
    });
    lines.sum::<usize>() > LINES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str, attachments: Vec<Attachment>) -> String {
        let question = Question {
            id: Id(1),
            text: text.to_owned(),
            attachments,
            siblings: Vec::new(),
        };
        Owner::new().with(|| {
            view! { <QuestionView t=Language::English question conversation=None/> }.to_html()
        })
    }

    #[test]
    fn a_question_of_many_lines_folds_and_is_there_whole() {
        for long in ["line\n".repeat(LINES + 1), "word ".repeat(300)] {
            let page = html(&long, Vec::new());
            assert!(page.contains("class=\"question long\""), "{page}");
            assert!(page.contains(&long), "{page}");
            assert!(page.contains("type=\"checkbox\""), "{page}");
        }
        let short = html(&"line\n".repeat(LINES), Vec::new());
        assert!(!short.contains("checkbox"), "{short}");
    }

    #[test]
    fn files_are_folded_and_escaped() {
        let file = Attachment::new("<b>.txt", "\n</pre><script>1 & 2</script>");
        let page = html("", vec![file]);
        assert!(!page.contains("hidden"), "{page}");
        assert!(!page.contains("<p "), "{page}");
        for part in [
            "<bdi dir=\"auto\">&lt;b&gt;.txt</bdi>",
            ">\n\n&lt;/pre&gt;&lt;script&gt;1 &amp; 2&lt;/script&gt;</pre>",
        ] {
            assert!(page.contains(part), "no {part} in {page}");
        }
        assert!(html("", Vec::new()).contains("hidden"));
    }
}
