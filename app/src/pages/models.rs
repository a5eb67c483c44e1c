//! `/about/models`: which models are on the server's disk, and which could be fetched.

use leptos::prelude::*;

use crate::chat::{Loaded, ModelHere, ModelKnown, Models as Known, SharedChat};
use crate::figures::{bits_a_weight, bytes, count};
use crate::language::Language;
use crate::shell::Aside;
use crate::visitor::language;
use crate::wide_table::wide_table;

#[component]
pub(crate) fn Models() -> impl IntoView {
    let Loaded { models, .. } = use_context::<Loaded>().unwrap_or_default();
    let chat = use_context::<SharedChat>().expect("no chat is provided");
    let t = language();
    let models = models.unwrap_or_default();
    let served = chat.served();
    let several = served.len() > 1;
    let used = served.into_iter().map(|served| {
        let model = chat.model(&served.id);
        let mut used = vec![
            model.name,
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
        view! { <p>{used.join(" · ")}</p> }
    });
    let used = used.collect_view();
    let memory = models.memory.map(|memory| t.memory_left(bytes(memory)));
    view! {
        <Aside title=t.models() wide=true>
            <h1>{t.models()}</h1>
            <p class="note">{t.models_why()}</p>
            <h2>{t.model_in_use()}</h2>
            {used}
            <h2>{t.models_here()}</h2>
            {here(t, &models)}
            <h2>{t.models_to_fetch()}</h2>
            {memory.map(|memory| view! { <p class="note">{memory}</p> })}
            {known(t, &models)}
        </Aside>
    }
}

fn here(t: Language, models: &Known) -> AnyView {
    if models.here.is_empty() {
        let words = match models.is_unreadable {
            true => t.models_unreadable(),
            false => t.no_models_here(),
        };
        return view! { <p>{words}</p> }.into_any();
    }
    let rows = models.here.iter().map(|model| {
        let of = models.known.iter().find(|known| known.name == model.name);
        one_here(t, model, of)
    });
    wide_table(
        t.models_here(),
        [
            t.model(),
            t.size(),
            t.packed(),
            t.bits_of_file(),
            t.memory_needed(),
            t.licence(),
        ],
        rows,
    )
}

/// A model on the disk; of one that has a short name more is known.
fn one_here(t: Language, model: &ModelHere, of: Option<&ModelKnown>) -> AnyView {
    let size = match model.is_whole {
        true => bytes(model.bytes),
        false => t.not_whole(bytes(model.bytes)),
    };
    let packed = (model.packed_bytes > 0).then(|| bytes(model.packed_bytes));
    let bits = of.map(|of| bits_a_weight(t, model.bytes, of.parameters));
    view! {
        <tr>
            <th scope="row">{model.name.clone()}</th>
            <td>{size}</td>
            <td>{packed}</td>
            <td>{bits.filter(|_| model.is_whole)}</td>
            <td>{of.map(|of| bytes(of.memory_bytes))}</td>
            <td>{of.map(|of| of.licence.clone())}</td>
        </tr>
    }
    .into_any()
}

fn known(t: Language, models: &Known) -> AnyView {
    let rows = models.known.iter().map(|model| {
        let fits = models
            .memory
            .map(|memory| match model.memory_bytes <= memory {
                true => t.fits(),
                false => t.fits_not(),
            });
        let licence = match model.gated {
            true => t.gated_licence(&model.licence),
            false => model.licence.clone(),
        };
        view! {
            <tr>
                <th scope="row">{model.name.clone()}</th>
                <td>{count(model.parameters)}</td>
                <td>{bytes(model.download_bytes)}</td>
                <td>{bytes(model.memory_bytes)}</td>
                <td>{fits}</td>
                <td>{if model.is_here { t.is_here() } else { "" }}</td>
                <td>{licence}</td>
                <td>{model.repository.clone()}</td>
            </tr>
        }
    });
    view! {
        <p>{t.fetch_how()}</p>
        {wide_table(t.models_to_fetch(), [t.model(), t.parameters(), t.download(), t.memory_needed(), t.fits_here(), t.on_disk(), t.licence(), t.repository()], rows)}
    }
    .into_any()
}
