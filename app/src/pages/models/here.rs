//! Models on the disk, and those that were just taken from it.

use leptos::prelude::*;

use super::begin;
use crate::chat::{Leave, ModelHere, ModelRemoved, Models};
use crate::figures::{bits_a_weight, bytes, tokens_per_second};
use crate::language::Language;
use crate::paths::{DISCARD_MODEL, FETCH_MODEL, REMOVE_MODEL, RESTORE_MODEL};
use crate::wide_table::wide_table;

pub(super) fn here(t: Language, models: &Models) -> AnyView {
    if models.here.is_empty() {
        let words = match models.is_unreadable {
            true => t.models_unreadable(),
            false => t.no_models_here(),
        };
        return view! { <p>{words}</p> }.into_any();
    }
    let rows = models.here.iter();
    let rows = rows.map(|model| one_here(t, model, models.leave));
    let columns = [
        t.model(),
        t.acts(),
        t.size(),
        t.packed(),
        t.bits_of_file(),
        t.memory_needed(),
        t.speed_here(),
        t.licence(),
        t.repository(),
    ];
    let table = wide_table(t.models_here(), columns, rows);
    view! { <div class="models">{table}</div> }.into_any()
}

/// A model on the disk, with as much as is known of it.
fn one_here(t: Language, model: &ModelHere, leave: Leave) -> AnyView {
    let size = match model.is_whole {
        true => bytes(model.bytes),
        false => t.not_whole(bytes(model.bytes)),
    };
    let packed = (model.packed_bytes > 0).then(|| bytes(model.packed_bytes));
    let bits = model
        .parameters
        .map(|parameters| bits_a_weight(t, model.bytes, parameters));
    let speed = model.tokens_per_second;
    view! {
        <tr>
            <th scope="row">{model.name.clone()}</th>
            <td>{acts(t, model, leave)}</td>
            <td>{size}</td>
            <td>{packed}</td>
            <td>{bits.filter(|_| model.is_whole)}</td>
            <td>{model.memory_bytes.map(bytes)}</td>
            <td>{speed.map(|speed| tokens_per_second(t, speed))}</td>
            <td>{model.licence.clone()}</td>
            <td>{model.repository.clone()}</td>
        </tr>
    }
    .into_any()
}

fn acts(t: Language, model: &ModelHere, leave: Leave) -> AnyView {
    let name = &model.name;
    let begin = model.served.as_ref().and_then(|id| begin(t, id, name));
    let may = leave == Leave::Granted;
    let serve = (may && model.served.is_none()).then(|| match model.is_whole {
        true => act(FETCH_MODEL, name, t.serve(), t.serve_named(name)),
        false => act(FETCH_MODEL, name, t.fetch_on(), t.fetch_on_named(name)),
    });
    let remove = may.then(|| act(REMOVE_MODEL, name, t.remove(), t.remove_named(name)));
    view! { <div class="model-acts">{begin}{serve}{remove}</div> }.into_any()
}

/// A button that does something with a model; those who hear it alone hear with which.
pub(super) fn act(path: &'static str, name: &str, words: &'static str, label: String) -> AnyView {
    let name = name.to_owned();
    view! {
        <form method="post" action=path>
            <button name="name" value=name aria-label=label>{words}</button>
        </form>
    }
    .into_any()
}

/// What can be had back, for whoever may.
pub(super) fn removed(t: Language, models: &Models) -> AnyView {
    let removed = models.removed.iter();
    let notices = removed.map(|removed| notice(t, removed)).collect_view();
    notices.into_any()
}

fn notice(t: Language, removed: &ModelRemoved) -> AnyView {
    let words = t.model_was_removed(&removed.name, bytes(removed.bytes));
    let id = removed.id.clone();
    let again = id.clone();
    view! {
        <div class="notice">
            <p>{words}</p>
            <form method="post" action=RESTORE_MODEL>
                <button name="model" value=id>{t.undo()}</button>
            </form>
            <form method="post" action=DISCARD_MODEL>
                <button name="model" value=again>{t.delete_now()}</button>
            </form>
        </div>
    }
    .into_any()
}
