//! The settings of the next answer, as fields of the composer's form. They fold, and the rarer ones once more.

use std::fmt::Display;
use std::ops::RangeInclusive;

use leptos::prelude::*;

use crate::blamed::Blamed;
use crate::chat::{Leave, ModelCard, SharedChat};
use crate::complaint::Complaint;
use crate::figures::{bytes, count, group};
use crate::presets_view::presets_fields;
use crate::price::{KNOWN, known, origin, this_machine};
use crate::sampling_view::sampling_fields;
use crate::settings::{MAX_TOKENS, MessageForm, TEMPERATURE, USD_PER_HOUR};
use crate::visitor::{language, visitor};

#[component]
pub(crate) fn SettingsView(
    model: ModelCard,
    form: MessageForm,
    complaint: Option<Complaint>,
) -> impl IntoView {
    let t = language();
    let blamed = Blamed::new(complaint);
    let rarer = sampling_fields(&model, &form, &blamed);
    let astray = blamed.is_among_the_rarer();
    let presets = presets_fields(&blamed);
    let chosen = match form.model.as_str() {
        "" => model.id.clone(),
        typed => typed.to_owned(),
    };
    view! {
        <details id="settings" class="settings" open>
            <summary>
                <h2>{t.settings()}</h2>
            </summary>
            {models(&chosen)}
            {slider("temperature", t.temperature(), form.temperature, &TEMPERATURE, "0.01", &blamed)}
            {slider("max_tokens", t.max_response_tokens(), form.max_tokens, &MAX_TOKENS, "10", &blamed)}
            <div class="field">
                <label for="system_prompt">{t.system_prompt()}</label>
                <textarea
                    id="system_prompt"
                    name="system_prompt"
                    form="composer"
                    rows="3"
                    dir="auto"
                    placeholder=t.system_prompt_hint()
                    aria-invalid=blamed.is("system_prompt")
                    aria-describedby="wrong-system_prompt"
                >
                    {form.system_prompt}
                </textarea>
                {blamed.reason("system_prompt")}
            </div>
            {presets}
            <details id="more-settings" class="more-settings" open=astray>
                <summary>{t.more_settings()}</summary>
                {rarer}
                <Price typed=form.usd_per_hour blamed/>
                <Card model/>
            </details>
        </details>
    }
    .into_any()
}

/// Which model answers next, where there are several and the visitor chooses.
fn models(chosen: &str) -> Option<AnyView> {
    let t = language();
    let chat = use_context::<SharedChat>()?;
    let served = chat.served();
    if served.len() < 2 || chat.switching(visitor()) != Leave::Granted {
        return None;
    }
    // As the server takes it: one that is not known is the first.
    let chosen = served.iter().position(|model| model.id == chosen);
    let options = served.into_iter().enumerate().map(|(place, model)| {
        let selected = place == chosen.unwrap_or(0);
        let name = match model.is_loaded {
            true => model.name,
            false => t.model_not_loaded(model.name),
        };
        view! { <option value=model.id selected=selected>{name}</option> }
    });
    let field = view! {
        <div class="field">
            <label for="model">{t.model()}</label>
            <select id="model" name="model" form="composer" autocomplete="off">
                {options.collect_view()}
            </select>
        </div>
    };
    Some(field.into_any())
}

/// A slider and its value. Without JavaScript the value cannot follow the slider, so it says what it is: the start.
fn slider<T: Display>(
    name: &'static str,
    label: &'static str,
    value: String,
    range: &RangeInclusive<T>,
    step: &'static str,
    blamed: &Blamed,
) -> impl IntoView + use<T> {
    view! {
        <div class="field">
            <div class="named">
                <label for=name>{label}</label>
                <span class="at" aria-hidden="true">
                    <span class="unscripted">{language().value_was()}</span>
                    <output for=name>{group(&value)}</output>
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
            {blamed.reason(name)}
        </div>
    }
    .into_any()
}

/// The price of the machine, typed or from the table, and whose it is.
#[component]
fn Price(typed: String, blamed: Blamed) -> impl IntoView {
    let t = language();
    let price = typed.trim().parse().unwrap_or(f64::NAN);
    let table = KNOWN.map(|(name, price)| format!("{name} ${price}"));
    view! {
        <Machines price/>
        <div class="field">
            <label for="usd_per_hour">{t.usd_per_hour()}</label>
            <input
                type="number"
                id="usd_per_hour"
                name="usd_per_hour"
                form="composer"
                value=typed
                min=USD_PER_HOUR.start().to_string()
                max=USD_PER_HOUR.end().to_string()
                step="any"
                required
                aria-invalid=blamed.is("usd_per_hour")
                aria-describedby="wrong-usd_per_hour price"
            />
            {blamed.reason("usd_per_hour")}
            <p id="price" class="note">{origin(t, price, this_machine())}</p>
            <p class="note unscripted">{t.known_prices(table.join(t.comma()))}</p>
        </div>
    }
    .into_any()
}

/// A way to fill the price in, for which there must be scripts.
#[component]
fn Machines(price: f64) -> impl IntoView {
    let t = language();
    let chosen = known(price).map(|(name, _)| name);
    let option = |name: &'static str, value: String, origin: String| {
        let selected = chosen.unwrap_or(t.own_machine()) == name;
        view! { <option value=value data-origin=origin selected=selected>{name}</option> }
    };
    let listed = KNOWN
        .map(|(name, price)| option(name, price.to_string(), origin(t, price, this_machine())));
    view! {
        <p class="field scripted">
            <label for="machine">{t.price_of()}</label>
            <select id="machine" autocomplete="off">
                {listed.collect_view()}
                {option(t.own_machine(), String::new(), origin(t, f64::NAN, None))}
            </select>
        </p>
    }
}

#[component]
fn Card(model: ModelCard) -> impl IntoView {
    let t = language();
    let rows = [
        (t.parameters(), count(model.parameters)),
        (t.weights(), model.quantization),
        (t.in_memory(), bytes(model.weight_bytes)),
        (t.keys_and_values(), model.kv),
        (t.context(), t.tokens(model.context)),
        (t.kernel(), model.kernel),
        (t.threads_used(), model.threads.to_string()),
    ];
    let draft = model.draft.map(|name| (t.draft_model(), name));
    let rows = rows.into_iter().chain(draft).map(|(term, detail)| {
        view! { <div><dt>{term}</dt><dd>{detail}</dd></div> }
    });
    view! {
        <section aria-label=t.model() class="model">
            <h3>{model.name}</h3>
            <dl>{rows.collect_view()}</dl>
        </section>
    }
    .into_any()
}
