//! `/about/models`: which models are on the server's disk, which could be fetched, and what whoever may does with them. All of
//! it is done by forms; a script only keeps the progress of a fetch up to date.

use leptos::prelude::*;

mod fetching;
mod here;

pub use self::fetching::fetching_html;
use self::fetching::{ended, going_on};
use self::here::{act, here, removed};
use crate::chat::{Leave, Loaded, ManageRefused, ModelKnown, Models as Known, SharedChat};
use crate::complaint::ComplaintKind;
use crate::figures::{bits_a_weight, bytes, count};
use crate::language::Language;
use crate::paths::{FETCH_MODEL, MODELS};
use crate::shell::Aside;
use crate::visitor::{language, visitor};
use crate::wide_table::wide_table;

/// What says why something was refused.
const REFUSED: &str = "refused";

#[component]
pub(crate) fn Models() -> impl IntoView {
    let Loaded { models, .. } = use_context::<Loaded>().unwrap_or_default();
    let t = language();
    let models = models.unwrap_or_default();
    let memory = models.memory.map(|memory| t.memory_left(bytes(memory)));
    let refusal = models.leave.refusal(t);
    let refusal = refusal.map(|why| view! { <p class="note">{t.sentence(why)}</p> });
    let fetching = models.fetching.as_ref();
    // A refusal is to be read first.
    let is_refreshed = fetching.is_some_and(|fetching| fetching.end.is_none())
        && use_context::<ManageRefused>().is_none();
    view! {
        <Aside title=t.models() wide=true refreshed=is_refreshed.then_some(MODELS)>
            <h1>{t.models()}</h1>
            <p class="note">{t.models_why()}</p>
            {refusal}
            {refused(t)}
            {going_on(t, &models)}
            {ended(t, &models)}
            {removed(t, &models)}
            <h2>{t.model_in_use()}</h2>
            {used(t)}
            <h2>{t.models_here()}</h2>
            {here(t, &models)}
            <h2>{t.models_to_fetch()}</h2>
            {memory.map(|memory| view! { <p class="note">{memory}</p> })}
            {by_name(t, models.leave)}
            {known(t, &models)}
        </Aside>
    }
}

/// Why what was just wanted was not done.
fn refused(t: Language) -> Option<AnyView> {
    let refused = use_context::<ManageRefused>()?;
    let words = refused.complaint.reason.sentence(t);
    Some(view! { <p id=REFUSED class="outcome failed" role="alert">{words}</p> }.into_any())
}

fn failed(words: String) -> AnyView {
    view! { <p class="outcome failed" role="alert">{words}</p> }.into_any()
}

/// Each model that can be asked.
fn used(t: Language) -> AnyView {
    let chat = use_context::<SharedChat>().expect("no chat is provided");
    let served = chat.served();
    let several = served.len() > 1;
    let refusal = chat.switching(visitor()).switch_refusal(t);
    let refusal = refusal.filter(|_| several);
    let refusal = refusal.map(|why| view! { <p class="note">{t.sentence(why)}</p> });
    let used = served.into_iter().map(|served| {
        let model = chat.model(&served.id);
        let mut used = vec![
            model.name.clone(),
            bits_a_weight(t, model.weight_bytes, model.parameters),
            bytes(model.weight_bytes),
            t.tokens_counted(model.context),
        ];
        if several {
            let is_there = match served.is_loaded {
                true => t.is_in_memory(),
                false => t.is_loaded_when_asked(),
            };
            used.push(is_there.to_owned());
        }
        let begin = several.then(|| begin(t, &served.id, &model.name)).flatten();
        view! { <p>{used.join(" · ")}" "{begin}</p> }
    });
    view! { {used.collect_view()} {refusal} }.into_any()
}

/// Leads to a new chat with a model, for who may choose it.
fn begin(t: Language, id: &str, name: &str) -> Option<AnyView> {
    let chat = use_context::<SharedChat>()?;
    if chat.switching(visitor()) != Leave::Granted {
        return None;
    }
    let mut address = form_urlencoded::Serializer::for_suffix("/?".to_owned(), 2);
    address.append_pair("model", id);
    let label = t.chat_with_named(name);
    let begin =
        view! { <a class="button begin" href=address.finish() aria-label=label>{t.new_chat()}</a> };
    Some(begin.into_any())
}

/// The field for what has no short name.
fn by_name(t: Language, leave: Leave) -> AnyView {
    if leave != Leave::Granted {
        return view! { <p>{t.fetch_how()}</p> }.into_any();
    }
    let refused = use_context::<ManageRefused>().filter(|refused| refused.name.is_some());
    let is_wrong = refused
        .as_ref()
        .is_some_and(|refused| matches!(refused.complaint.kind, ComplaintKind::Field(_)));
    let why = refused.is_some().then_some(REFUSED);
    let typed = refused.and_then(|refused| refused.name);
    view! {
        <form class="filter" method="post" action=FETCH_MODEL>
            <label>
                {t.fetch_by_name()}
                <input
                    name="name"
                    value=typed
                    required=true
                    maxlength="500"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    placeholder="owner/name:Q4_K_M"
                    aria-invalid=is_wrong.then_some("true")
                    aria-describedby=why
                />
            </label>
            <button class="button">{t.fetch()}</button>
        </form>
    }
    .into_any()
}

fn known(t: Language, models: &Known) -> AnyView {
    let rows = models.known.iter().map(|model| {
        let fits = models.memory.map(|memory| model.memory_bytes <= memory);
        let licence = match model.gated {
            true => t.gated_licence(&model.licence),
            false => model.licence.clone(),
        };
        view! {
            <tr>
                <th scope="row">{model.name.clone()}</th>
                <td>{fetched(t, models, model, fits)}</td>
                <td>{count(model.parameters)}</td>
                <td>{bytes(model.download_bytes)}</td>
                <td>{bytes(model.memory_bytes)}</td>
                <td>{fits.map(|fits| if fits { t.fits() } else { t.fits_not() })}</td>
                <td>{licence}</td>
                <td>{model.repository.clone()}</td>
            </tr>
        }
    });
    view! {
        <div class="models">
            {wide_table(t.models_to_fetch(), [t.model(), t.on_disk(), t.parameters(), t.download(), t.memory_needed(), t.fits_here(), t.licence(), t.repository()], rows)}
        </div>
    }
    .into_any()
}

/// Whether it is here, and else what fetches it where it fits.
fn fetched(t: Language, models: &Known, model: &ModelKnown, fits: Option<bool>) -> Option<AnyView> {
    if model.is_here {
        return Some(t.is_here().into_any());
    }
    let may = models.leave == Leave::Granted && fits != Some(false);
    may.then(|| {
        act(
            FETCH_MODEL,
            &model.name,
            t.fetch(),
            t.fetch_named(&model.name),
        )
    })
}
