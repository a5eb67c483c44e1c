//! What can be done with a question or an answer: buttons and small forms, which need no script.

use leptos::prelude::*;

use crate::button::post_button;
use crate::chat::{Answer, Id, Question};
use crate::choice::ways_to_more;
use crate::language::Language;
use crate::paths::{AGAIN, BRANCH, CONTINUE, EDIT, HIDE, SHOW, STOP};

/// Below an answer that has ended.
#[component]
pub(super) fn AnswerActs(t: Language, answer: Answer) -> impl IntoView {
    let id = answer.id.to_string();
    view! {
        <div class="acts">
            <Siblings t id=answer.id siblings=answer.siblings.clone() names=ANSWERS/>
            <a class="copy" href=format!("/messages/{id}")>{t.copy()}</a>
            // It takes the settings that the page shows, so it is one more button of their form.
            <button
                type="submit"
                form="composer"
                formaction=AGAIN
                formnovalidate
                name="answer"
                value=id.clone()
            >
                {t.again()}
            </button>
            {answer.may_go_on().then(|| post_button(CONTINUE, "answer", id.clone(), t.go_on()))}
            {answer.may_have_room().then(|| ways_to_more(t, id.clone()))}
            {post_button(BRANCH, "answer", id, t.branch())}
        </div>
    }
    .into_any()
}

/// Below a question.
#[component]
pub(super) fn QuestionActs(t: Language, question: Question, conversation: String) -> impl IntoView {
    let id = question.id.to_string();
    // Its files, which stay, may say it all.
    let required = question.attachments.is_empty();
    view! {
        <div class="acts">
            <Siblings t id=question.id siblings=question.siblings names=QUESTIONS/>
            <details class="edit">
                <summary>{t.edit()}</summary>
                <form method="post" action=EDIT>
                    <input type="hidden" name="question" value=id.clone()/>
                    <input type="hidden" name="conversation" value=conversation/>
                    <textarea name="message" rows="3" dir="auto" required=required aria-label=t.edited_question()>
                        {format!("\n{}", question.text)}
                    </textarea>
                    <button type="submit">{t.ask_instead()}</button>
                </form>
            </details>
            {post_button(HIDE, "question", id, t.delete())}
        </div>
    }
    .into_any()
}

/// In the place of an answer that waits for the one before it.
#[component]
pub(super) fn Withdraw(t: Language, run: Id) -> impl IntoView {
    view! {
        <div class="withdraw">{post_button(STOP, "run", run.to_string(), t.withdraw())}</div>
    }
}

/// What one of several messages in a place is called, and those beside it.
struct Names {
    of: fn(Language, usize, usize) -> String,
    before: fn(Language) -> &'static str,
    after: fn(Language) -> &'static str,
}

const ANSWERS: Names = Names {
    of: |t, number, count| t.answer_of(number, count),
    before: Language::answer_before,
    after: Language::answer_after,
};
const QUESTIONS: Names = Names {
    of: |t, number, count| t.question_of(number, count),
    before: Language::question_before,
    after: Language::question_after,
};

/// Which of several messages in one place this is, with the ways to those beside it.
#[component]
fn Siblings(t: Language, id: Id, siblings: Vec<Id>, names: Names) -> impl IntoView {
    let at = siblings.iter().position(|sibling| *sibling == id);
    at.filter(|_| siblings.len() > 1).map(|at| {
        let (number, count) = (at + 1, siblings.len());
        let before = at.checked_sub(1).and_then(|before| siblings.get(before));
        view! {
            <form method="post" action=SHOW class="siblings" role="group" aria-label=(names.of)(t, number, count)>
                {step(before, "‹", (names.before)(t))}
                <span aria-hidden="true">{format!("{number}/{count}")}</span>
                {step(siblings.get(number), "›", (names.after)(t))}
            </form>
        }
        .into_any()
    })
}

fn step(to: Option<&Id>, sign: &'static str, label: &'static str) -> impl IntoView + use<> {
    let name = to.map(Id::to_string);
    view! {
        <button name="message" value=name disabled=to.is_none() aria-label=label>{sign}</button>
    }
}
