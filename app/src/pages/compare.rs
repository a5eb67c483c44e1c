//! `/compare`: asks for a comparison of lanes, and lists those of the reader.

use leptos::prelude::*;

use super::speed::unread;
use crate::blamed::Blamed;
use crate::button::post_button;
use crate::chat::{Comparing, ComparisonEntry, Loaded};
use crate::compare::{
    CompareForm, CompareRefused, LaneForm, Preset, ROUNDS, TOKENS, field_names, weights_name,
};
use crate::complaint::{Complaint, ComplaintKind};
use crate::day::day;
use crate::domain::FEWEST_LANES;
use crate::language::Language;
use crate::paths::{COMPARE, DELETE_COMPARISON};
use crate::shell::Aside;
use crate::visitor::language;
use crate::wide_table::wide_table;

#[component]
pub(crate) fn Compare() -> impl IntoView {
    let loaded = use_context::<Loaded>().unwrap_or_default();
    let t = language();
    if let Some(trouble) = loaded.trouble {
        return unread(t, t.compare(), &trouble);
    }
    let here = loaded.comparing.unwrap_or_default();
    let refused = use_context::<CompareRefused>();
    let (form, complaint) = match refused {
        Some(CompareRefused { form, complaint }) => (form, Some(complaint)),
        None => (CompareForm::of(loaded.asked.as_bytes()), None),
    };
    let preset = Preset::asked(loaded.asked.as_bytes()).filter(|_| complaint.is_none());
    let form = form.filled(t, &here, preset);
    let complaint = complaint.or_else(|| form.known_models(&here).err());
    let told = complaint
        .as_ref()
        .filter(|complaint| !is_of_field(complaint));
    let told = told.map(|complaint| complaint.reason.sentence(t));
    let told = told.map(|told| view! { <p class="outcome failed" role="alert">{told}</p> });
    let asked = match here.is_allowed {
        true => asked(t, &here, form, complaint),
        false => view! { <p class="outcome">{t.sentence(t.compare_not_allowed())}</p> }.into_any(),
    };
    let (running, own) = (running(t, &here), own(t, &here.own));
    view! {
        <Aside title=t.compare() wide=true>
            <h1>{t.compare()}</h1>
            <p>{t.compare_why()}</p>
            <p class="note">{t.compare_rules()}</p>
            {told}
            {running}
            {asked}
            <h2>{t.your_comparisons()}</h2>
            {own}
        </Aside>
    }
    .into_any()
}

/// What is wrong with a field stands below it.
fn is_of_field(complaint: &Complaint) -> bool {
    matches!(complaint.kind, ComplaintKind::Field(_))
}

fn running(t: Language, here: &Comparing) -> Option<AnyView> {
    let (id, own) = here.running?;
    let words = match own {
        true => t.compare_running_own(),
        false => t.compare_running_other(),
    };
    let way = own.then(|| {
        view! { " " <a href=format!("{COMPARE}/{id}")>{t.compare_follow()}</a> }
    });
    Some(view! { <p class="outcome">{words} {way}</p> }.into_any())
}

fn asked(
    t: Language,
    here: &Comparing,
    form: CompareForm,
    complaint: Option<Complaint>,
) -> AnyView {
    let blamed = Blamed::new(complaint);
    let presets = Preset::ALL.map(|preset| self::preset(t, preset));
    let numbers = numbers(t, &form, &blamed);
    let lanes = form.lanes.iter().enumerate();
    let lanes = lanes.map(|(place, lane)| lane_fields(t, here, place, lane, &blamed));
    view! {
        <nav aria-label=t.compare_presets()>
            <ul class="presets">{presets.collect_view()}</ul>
        </nav>
        <form method="post" action=COMPARE class="compare">
            <label class="prompt" for="prompt">{t.prompt()}</label>
            <textarea
                id="prompt"
                name="prompt"
                rows="2"
                dir="auto"
                required
                aria-invalid=blamed.is("prompt")
                aria-describedby="wrong-prompt"
            >
                {form.prompt.clone()}
            </textarea>
            {blamed.reason("prompt")}
            {numbers}
            <div class="lanes">{lanes.collect_view()}</div>
            <p class="note">{t.weights_hint()}</p>
            <p><button type="submit" class="main">{t.start_comparison()}</button></p>
        </form>
    }
    .into_any()
}

/// A button that begins it, and a link that fills the form with it.
fn preset(t: Language, preset: Preset) -> AnyView {
    let (key, name) = (preset.name(), preset_name(t, preset));
    let address = format!("{COMPARE}?preset={key}");
    view! {
        <li>
            {post_button(COMPARE, "preset", key.to_owned(), name)}
            <a href=address aria-label=t.change_first_named(name)>{t.change_first()}</a>
        </li>
    }
    .into_any()
}

fn preset_name(t: Language, preset: Preset) -> &'static str {
    match preset {
        Preset::Kernels => t.preset_kernels(),
        Preset::Threads => t.preset_threads(),
        Preset::Weights => t.preset_weights(),
    }
}

fn numbers(t: Language, form: &CompareForm, blamed: &Blamed) -> AnyView {
    let rounds = ROUNDS.map(|rounds| {
        let value = rounds.to_string();
        let is_chosen = form.rounds == value;
        view! { <option value=value.clone() selected=is_chosen>{value.clone()}</option> }
    });
    view! {
        <div class="numbers">
            <div>
                <label for="max_tokens">{t.compared_tokens()}</label>
                <input
                    type="number"
                    id="max_tokens"
                    name="max_tokens"
                    value=form.max_tokens.clone()
                    min=*TOKENS.start()
                    max=*TOKENS.end()
                    required
                    aria-invalid=blamed.is("max_tokens")
                    aria-describedby="wrong-max_tokens"
                />
                {blamed.reason("max_tokens")}
            </div>
            <div>
                <label for="rounds">{t.rounds()}</label>
                <select id="rounds" name="rounds" aria-describedby="rounds-hint wrong-rounds">
                    {rounds.collect_view()}
                </select>
                <p class="note" id="rounds-hint">{t.rounds_hint()}</p>
                {blamed.reason("rounds")}
            </div>
            <div>
                <label for="seed">{t.seed_or_greedy()}</label>
                <input
                    type="text"
                    inputmode="numeric"
                    id="seed"
                    name="seed"
                    value=form.seed.clone()
                    aria-invalid=blamed.is("seed")
                    aria-describedby="seed-hint wrong-seed"
                />
                <p class="note" id="seed-hint">{t.seed_or_greedy_hint()}</p>
                {blamed.reason("seed")}
            </div>
        </div>
    }
    .into_any()
}

fn lane_fields(
    t: Language,
    here: &Comparing,
    place: usize,
    lane: &LaneForm,
    blamed: &Blamed,
) -> AnyView {
    let [kernel, threads, weights, model] = field_names(place);
    // The fastest first, as most want it.
    let kernels = here.kernels.iter().rev().map(|name| {
        view! { <option value=name.clone() selected=*name == lane.kernel>{name.clone()}</option> }
    });
    let may_be_none = place >= FEWEST_LANES;
    let none = may_be_none.then(|| view! { <option value="">{t.no_lane()}</option> });
    let held = here.weights.iter().map(|&held| {
        let is_chosen = held.name() == lane.weights;
        view! { <option value=held.name() selected=is_chosen>{weights_name(t, held)}</option> }
    });
    view! {
        <fieldset>
            <legend>{t.lane(place + 1)}</legend>
            <label for=kernel>{t.kernel()}</label>
            <select id=kernel name=kernel aria-describedby=format!("wrong-{kernel}")>
                {none}
                {kernels.collect_view()}
            </select>
            {blamed.reason(kernel)}
            <label for=threads>{t.threads_used()}</label>
            <input
                type="number"
                id=threads
                name=threads
                value=lane.threads.clone()
                min="1"
                max=here.most_threads
                aria-invalid=blamed.is(threads)
                aria-describedby=format!("wrong-{threads}")
            />
            {blamed.reason(threads)}
            <label for=weights>{t.weights()}</label>
            <select id=weights name=weights aria-describedby=format!("wrong-{weights}")>
                {held.collect_view()}
            </select>
            {blamed.reason(weights)}
            {models(t, here, model, &lane.model)}
            {blamed.reason(model)}
        </fieldset>
    }
    .into_any()
}

/// Which model a lane has, where there are several.
fn models(t: Language, here: &Comparing, name: &'static str, chosen: &str) -> Option<AnyView> {
    if here.models.len() < 2 {
        return None;
    }
    let options = here.models.iter().map(|model| {
        let is_chosen = model.id == chosen;
        view! { <option value=model.id.clone() selected=is_chosen>{model.name.clone()}</option> }
    });
    let field = view! {
        <label for=name>{t.model()}</label>
        <select id=name name=name aria-describedby=format!("wrong-{name}")>
            {options.collect_view()}
        </select>
    };
    Some(field.into_any())
}

fn own(t: Language, own: &[ComparisonEntry]) -> AnyView {
    if own.is_empty() {
        return view! { <p>{t.no_comparisons()}</p> }.into_any();
    }
    let rows = own.iter().map(|entry| {
        let delete = view! {
            {t.delete_comparison()}
            <span class="unseen">{t.comparison_of(&entry.prompt)}</span>
        };
        view! {
            <tr>
                <th scope="row">
                    <a href=format!("{COMPARE}/{}", entry.id) dir="auto">{entry.prompt.clone()}</a>
                </th>
                <td>{entry.lanes.join(t.comma())}</td>
                <td>{day(t, entry.created)}</td>
                <td>{post_button(DELETE_COMPARISON, "comparison", entry.id.to_string(), delete)}</td>
            </tr>
        }
    });
    wide_table(
        t.your_comparisons(),
        [t.prompt(), t.lanes(), t.begun(), t.change()],
        rows,
    )
}
