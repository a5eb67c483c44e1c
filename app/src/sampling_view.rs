//! The rarer settings of the next answer: which tokens may be drawn, what ends it, how long a model may think. A field that is
//! left empty is as the model's authors advise, which it shows.

use std::fmt::Display;
use std::ops::RangeInclusive;

use leptos::prelude::*;

use crate::blamed::Blamed;
use crate::chat::ModelCard;
use crate::language::Language;
use crate::settings::{MIN_P, MessageForm, SEED, THOUGHT_TOKENS, TOP_K, TOP_P};
use crate::visitor::language;

/// Fields of the composer's form.
pub(crate) fn sampling_fields(
    model: &ModelCard,
    form: &MessageForm,
    blamed: &Blamed,
) -> impl IntoView + use<> {
    let t = language();
    let (top_k, top_p, min_p) = model.advised;
    let advised = |value: &dyn Display| t.as_the_model_advises(value);
    let thinking = model.thinks.then(|| thinking(t, form, blamed));
    view! {
        {thinking}
        {number("top_p", t.top_p(), &form.top_p, advised(&top_p), &TOP_P, "any", blamed)}
        {number("top_k", t.top_k(), &form.top_k, advised(&top_k), &TOP_K, "1", blamed)}
        {number("min_p", t.min_p(), &form.min_p, advised(&min_p), &MIN_P, "any", blamed)}
        {number("seed", t.seed(), &form.seed, t.seed_each_time().to_owned(), &SEED, "1", blamed)}
        <div class="field">
            <label for="stop-texts">{t.stop_texts()}</label>
            <textarea
                id="stop-texts"
                name="stop"
                form="composer"
                rows="2"
                dir="auto"
                aria-invalid=blamed.is("stop")
                aria-describedby="wrong-stop"
            >
                {format!("\n{}", form.stop)}
            </textarea>
            {blamed.reason("stop")}
        </div>
    }
    .into_any()
}

fn thinking(t: Language, form: &MessageForm, blamed: &Blamed) -> impl IntoView + use<> {
    let chosen = form.thinking.clone();
    let options = [
        ("", t.as_the_model_likes()),
        ("on", t.think_first()),
        ("off", t.answer_at_once()),
    ];
    let options = options.map(|(value, words)| {
        view! { <option value=value selected=chosen == value>{words}</option> }
    });
    let unlimited = t.no_limit().to_owned();
    view! {
        <div class="field">
            <label for="thinking">{t.thinking_setting()}</label>
            <select id="thinking" name="thinking" form="composer" autocomplete="off">
                {options.collect_view()}
            </select>
        </div>
        {number(
            "thought_tokens",
            t.most_thought_tokens(),
            &form.thought_tokens,
            unlimited,
            &THOUGHT_TOKENS,
            "1",
            blamed,
        )}
    }
    .into_any()
}

fn number<T: Display>(
    name: &'static str,
    label: &'static str,
    typed: &str,
    empty: String,
    range: &RangeInclusive<T>,
    step: &'static str,
    blamed: &Blamed,
) -> impl IntoView + use<T> {
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                type="number"
                id=name
                name=name
                form="composer"
                value=typed.to_owned()
                placeholder=empty
                min=range.start().to_string()
                max=range.end().to_string()
                step=step
                aria-invalid=blamed.is(name)
                aria-describedby=format!("wrong-{name}")
            />
            {blamed.reason(name)}
        </div>
    }
    .into_any()
}
