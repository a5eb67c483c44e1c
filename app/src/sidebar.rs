//! Beside the conversation: the model, and the settings of its next answer.
//!
//! Its fields belong to the form of the composer, and so does Reset chat, which thus keeps what they show. On narrow
//! screens it is a popover, which opens and closes without JavaScript.

use std::fmt::Display;
use std::ops::RangeInclusive;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::ResetChat;
use crate::chat::ModelCard;
use crate::complaint::{Complaint, ComplaintKind};
use crate::figures::{bytes, count, grouped};
use crate::settings::{MAX_TOKENS, MessageForm, TEMPERATURE, USD_PER_HOUR};

#[component]
pub(crate) fn Sidebar(
    model: ModelCard,
    form: MessageForm,
    complaint: Option<Complaint>,
) -> impl IntoView {
    let blamed = match complaint.map(|complaint| complaint.kind) {
        Some(ComplaintKind::Field(name)) => name,
        _ => "",
    };
    view! {
        <aside id="sidebar" popover="auto" aria-label="Model and settings">
            // Enter in a field presses the first button of its form, which must not be Reset chat.
            <button type="submit" form="composer" hidden></button>
            <button
                type="submit"
                form="composer"
                formaction=ResetChat::PATH
                formnovalidate
                class="reset"
            >
                "Reset chat"
            </button>
            <Card model/>
            <section aria-label="Settings" class="settings">
                <h2>"Settings"</h2>
                {slider("temperature", "Temperature", form.temperature, &TEMPERATURE, "0.01")}
                {slider("max_tokens", "Max response tokens", form.max_tokens, &MAX_TOKENS, "10")}
                <div class="field">
                    <label for="system_prompt">"System prompt"</label>
                    <textarea
                        id="system_prompt"
                        name="system_prompt"
                        form="composer"
                        rows="3"
                        dir="auto"
                        placeholder="Instructions for the whole conversation"
                        aria-invalid=(blamed == "system_prompt").then_some("true")
                        aria-describedby="complaint"
                    >
                        {form.system_prompt}
                    </textarea>
                </div>
                <div class="field">
                    <label for="usd_per_hour">"$ per hour"</label>
                    <input
                        type="number"
                        id="usd_per_hour"
                        name="usd_per_hour"
                        form="composer"
                        value=form.usd_per_hour
                        min=USD_PER_HOUR.start().to_string()
                        max=USD_PER_HOUR.end().to_string()
                        step="any"
                        required
                        aria-invalid=(blamed == "usd_per_hour").then_some("true")
                        aria-describedby="price complaint"
                    />
                    <p id="price" class="note">"Price of this machine, for the cost under each answer."</p>
                </div>
            </section>
        </aside>
    }
}

#[component]
fn Card(model: ModelCard) -> impl IntoView {
    let rows = [
        ("Parameters", count(model.parameters)),
        ("Weights", model.quantization),
        ("In memory", bytes(model.weight_bytes)),
        ("Context", format!("{} tokens", grouped(model.context))),
        ("Kernel", model.kernel),
        ("Threads", model.threads.to_string()),
    ];
    let rows = rows.map(|(term, detail)| {
        view! { <div><dt>{term}</dt><dd>{detail}</dd></div> }
    });
    view! {
        <section aria-label="Model" class="model">
            <h2>{model.name}</h2>
            <dl>{rows.collect_view()}</dl>
        </section>
    }
}

/// A slider and its value. Without JavaScript the value cannot follow the slider, so it says what it is: the start.
fn slider<T: Display>(
    name: &'static str,
    label: &'static str,
    value: String,
    range: &RangeInclusive<T>,
    step: &'static str,
) -> impl IntoView {
    view! {
        <div class="field">
            <div class="named">
                <label for=name>{label}</label>
                <span class="at" aria-hidden="true">
                    <span class="unscripted">"was "</span>
                    <output for=name>{value.clone()}</output>
                </span>
            </div>
            <input
                type="range"
                id=name
                name=name
                form="composer"
                value=value
                min=range.start().to_string()
                max=range.end().to_string()
                step=step
            />
        </div>
    }
}
