//! `/about`: how the program works, on which machine, and every formula with the numbers of the reader's last answer.

use leptos::prelude::*;

use self::drawing::{block, program};
use crate::chat::{Loaded, ModelCard, ModelServed, SharedChat};
use crate::doctor::{Finding, Machine, findings};
use crate::domain::Metrics;
use crate::figures::{bits_a_weight, bytes, count, grouped};
use crate::language::Language;
use crate::paths::ROOFLINE;
use crate::shell::Aside;
use crate::visitor::language;
use crate::wide_table::wide_table;

mod drawing;
mod limits;
mod worked;

pub(super) use limits::elsewhere as limits_elsewhere;

/// Where the measuring of the machine's limits is asked for.
pub const MEASURE: &str = "/about/measure";

#[component]
pub(crate) fn About() -> impl IntoView {
    let Loaded {
        machine,
        last,
        work,
        asked,
        ..
    } = use_context::<Loaded>().unwrap_or_default();
    let chat = use_context::<SharedChat>().expect("no chat is provided");
    let t = language();
    let machine = machine.unwrap_or_default();
    let limits = limits::limits(t, &machine, &work);
    let shown = chat.model(&super::value(&asked, "model").unwrap_or_default());
    let choice = choice(t, &chat.served(), &shown.id);
    let (facts, formulas) = (model(t, &shown), formulas(t, last.as_ref()));
    view! {
        <Aside title=t.how_it_works() wide=true>
            <h1>{t.how_it_works()}</h1>
            <p>{t.about_program()}</p>
            {program(t)}
            <h2>{t.from_bits_to_words()}</h2>
            {block(t)}
            <ol class="steps">
                <li>{t.step_tokens()}</li>
                <li>{t.step_weights()}</li>
                <li>{t.step_products()}</li>
                <li>{t.step_layers()}</li>
                <li>{t.step_sampling()}</li>
            </ol>
            <h2 id="machine">{t.this_machine()}</h2>
            {found(t, &findings(t, &machine))}
            {abilities(t, &machine)}
            {choice}
            {limits}
            <h2>{t.model()}</h2>
            {facts}
            <h2 id="formulas">{t.formulas()}</h2>
            {formulas}
        </Aside>
    }
}

/// Which model the page tells of, where there are several.
fn choice(t: Language, served: &[ModelServed], shown: &str) -> Option<AnyView> {
    if served.len() < 2 {
        return None;
    }
    let options = served.iter().map(|model| {
        let is_shown = model.id == shown;
        view! { <option value=model.id.clone() selected=is_shown>{model.name.clone()}</option> }
    });
    let choice = view! {
        <form method="get" action=ROOFLINE class="filter">
            <label>{t.model()} <select name="model">{options.collect_view()}</select></label>
            <button type="submit">{t.show()}</button>
        </form>
    };
    Some(choice.into_any())
}

fn found(t: Language, findings: &[Finding]) -> AnyView {
    let rows = findings.iter().map(|finding| {
        let advice = finding.advice.as_deref().map(|advice| t.sentence(advice));
        let advice = advice.map(|advice| view! { <p class="advice">{advice}</p> });
        let note = finding.note.as_deref().map(|note| t.sentence(note));
        let note = note.map(|note| view! { <p class="note">{note}</p> });
        view! {
            <tr>
                <th scope="row">{finding.about}</th>
                <td>{finding.found.clone()} {advice} {note}</td>
            </tr>
        }
    });
    view! { <table class="facts-table"><tbody>{rows.collect_view()}</tbody></table> }.into_any()
}

/// Kernels and features, those that there are and those that are missing.
fn abilities(t: Language, machine: &Machine) -> AnyView {
    let named = |of: &[(String, bool)], has: bool| {
        let names = of.iter().filter(|(_, is)| *is == has);
        let names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        names.join(", ")
    };
    let rows = [
        (t.kernels_here(), named(&machine.kernels, true)),
        (t.kernels_missing(), named(&machine.kernels, false)),
        (t.features_here(), named(&machine.features, true)),
        (t.features_missing(), named(&machine.features, false)),
    ];
    facts(rows.into_iter().filter(|(_, names)| !names.is_empty()))
}

fn model(t: Language, model: &ModelCard) -> AnyView {
    let some = |count: usize| match count {
        0 => String::new(),
        count => grouped(count),
    };
    let heads = match model.heads {
        [0, _] => String::new(),
        [heads, kv] if heads == kv => grouped(heads),
        [heads, kv] => t.heads_of(grouped(heads), grouped(kv)),
    };
    let rows = [
        (t.model(), model.name.clone()),
        (t.parameters(), count(model.parameters)),
        (
            t.bits_of_file(),
            bits_a_weight(t, model.weight_bytes, model.parameters),
        ),
        (t.packed(), bytes(model.weight_bytes)),
        (t.layers(), some(model.layers)),
        (t.hidden_size(), some(model.hidden)),
        (t.heads(), heads),
        (t.vocabulary(), t.tokens_counted(model.vocabulary)),
        (t.keys_and_values(), model.kv.clone()),
        (t.context(), t.tokens_counted(model.context)),
        (t.draft_model(), model.draft.clone().unwrap_or_default()),
        (t.licence(), model.licence.clone()),
    ];
    facts(rows.into_iter().filter(|(_, fact)| !fact.is_empty()))
}

fn facts(rows: impl Iterator<Item = (&'static str, String)>) -> AnyView {
    let rows = rows.map(|(name, value)| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td>{value}</td>
            </tr>
        }
    });
    view! { <table class="facts-table"><tbody>{rows.collect_view()}</tbody></table> }.into_any()
}

fn formulas(t: Language, last: Option<&Metrics>) -> AnyView {
    let formulas = worked::formulas(t, last).into_iter();
    let Some(last) = last else {
        let rules = formulas.map(|formula| (formula.of, formula.rule.to_owned()));
        return view! { <p class="note">{t.no_last_answer()}</p> {facts(rules)} }.into_any();
    };
    let rows = formulas.map(|formula| {
        view! {
            <tr>
                <th scope="row">{formula.of}</th>
                <td>{formula.rule}</td>
                <td>{formula.worked}</td>
            </tr>
        }
    });
    view! {
        <p class="note">{t.numbers_of_last(grouped(last.output_tokens))}</p>
        {wide_table(t.formulas(), [t.figure(), t.formula(), t.last_answer()], rows)}
    }
    .into_any()
}
