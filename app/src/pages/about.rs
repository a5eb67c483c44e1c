//! `/about`: how the program works, on which machine, and every formula with the numbers of the reader's last answer.

use leptos::prelude::*;

use self::drawing::{block, program};
use crate::chat::{Loaded, ModelCard, SharedChat};
use crate::day::date;
use crate::doctor::{Finding, Machine, findings};
use crate::domain::Measured;
use crate::figures::{bits_a_weight, bytes, count, grouped};
use crate::language::Language;
use crate::roofline::{Point, Roofline, roofline};
use crate::shell::Aside;
use crate::speed::{decodes, quantile};
use crate::visitor::language;
use crate::wide_table::wide_table;

mod drawing;
mod worked;

/// Where the measuring of the machine's limits is asked for.
pub const MEASURE: &str = "/about/measure";

/// Prompts of fewer tokens say little of prefill.
const LONG_PROMPT: usize = 64;

/// The most tokens of a prompt in a step, about.
const ROWS: usize = 512;

#[component]
pub(crate) fn About() -> impl IntoView {
    let Loaded {
        machine, speeds, ..
    } = use_context::<Loaded>().unwrap_or_default();
    let chat = use_context::<SharedChat>().expect("no chat is provided");
    let t = language();
    let machine = machine.unwrap_or_default();
    let answers = speeds.unwrap_or_default().answers;
    let last = answers.iter().max_by_key(|answer| answer.created);
    let limits = limits(t, &machine, &chat.model(""), &answers);
    let (facts, formulas) = (model(t, &chat.model("")), formulas(t, last));
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
            {limits}
            <h2>{t.model()}</h2>
            {facts}
            <h2>{t.formulas()}</h2>
            {formulas}
        </Aside>
    }
}

fn found(t: Language, findings: &[Finding]) -> AnyView {
    let rows = findings.iter().map(|finding| {
        let advice = finding.advice.as_deref().map(|advice| t.sentence(advice));
        let advice = advice.map(|advice| view! { <p class="advice">{advice}</p> });
        view! {
            <tr>
                <th scope="row">{finding.about}</th>
                <td>{finding.found.clone()} {advice}</td>
            </tr>
        }
    });
    view! { <table class="facts-table"><tbody>{rows.collect_view()}</tbody></table> }.into_any()
}

/// What the machine can do at best, where that was measured, and the button that measures it.
fn limits(t: Language, machine: &Machine, model: &ModelCard, answers: &[Measured]) -> AnyView {
    let line = machine.read.zip(machine.multiplies);
    let line = line.map(|(read, multiplies)| Roofline {
        read,
        multiplies,
        points: points(t, model, answers),
    });
    let when = machine.measured.map(|at| t.limits_of(date(t, at)));
    view! {
        <h2>{t.roofline()}</h2>
        {line.map(|line| roofline(t, &line))}
        {when.map(|when| view! { <p class="note">{when}</p> })}
        <form method="post" action=MEASURE>
            <button type="submit">{t.measure_limits()}</button>
        </form>
    }
    .into_any()
}

/// Where decode and prefill of this model stand, by the medians of the reader's answers. A step reads all weights once; it
/// multiplies them with one token where it decodes, and those of the layers with as many as a prompt has where it prefills.
fn points(t: Language, model: &ModelCard, answers: &[Measured]) -> Vec<Point> {
    let of_this = |answer: &&Measured| {
        *answer.model == *model.name
            && *answer.kernel == *model.kernel
            && answer.threads == model.threads
    };
    let of_this: Vec<_> = answers.iter().filter(of_this).collect();
    let weights = model.parameters as f64;
    let per_byte = weights / (model.weight_bytes.max(1) as f64);
    let computed = |answer: &Measured| answer.prompt_tokens.saturating_sub(answer.cached_tokens);
    let prefills = || {
        of_this
            .iter()
            .filter(|answer| computed(answer) >= LONG_PROMPT)
    };
    let speeds = prefills().filter_map(|answer| answer.prefill_tokens_per_second);
    let speed = quantile(&mut speeds.collect::<Vec<_>>(), 0.5);
    let rows = prefills().map(|answer| computed(answer).min(ROWS) as f64);
    let rows = quantile(&mut rows.collect::<Vec<_>>(), 0.5);
    let prefill = speed.zip(rows).map(|(speed, rows)| Point {
        name: t.prefill(),
        intensity: per_byte * rows,
        rate: speed * model.layer_parameters as f64,
    });
    let decode = quantile(&mut decodes(&of_this), 0.5).map(|speed| Point {
        name: t.decode_alone(),
        intensity: per_byte,
        rate: speed * weights,
    });
    decode.into_iter().chain(prefill).collect()
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
    let rows = [
        (t.model(), model.name.clone()),
        (t.parameters(), count(model.parameters)),
        (
            t.bits_of_file(),
            bits_a_weight(t, model.weight_bytes, model.parameters),
        ),
        (t.packed(), bytes(model.weight_bytes)),
        (t.keys_and_values(), model.kv.clone()),
        (t.context(), t.tokens_counted(model.context)),
    ];
    facts(rows.into_iter())
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

fn formulas(t: Language, last: Option<&Measured>) -> AnyView {
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
