//! What the machine can do at best, how near answers came to it, and how each number of that is computed.

use leptos::prelude::*;

use super::MEASURE;
use crate::chat::{Done, MeasureRefused, WorkDone};
use crate::day::date;
use crate::doctor::Machine;
use crate::figures::{
    bytes, count, duration, grouped, rate_of_bytes, rate_of_products, tokens_per_second, whole,
};
use crate::language::Language;
use crate::paths::ABOUT;
use crate::roofline::{
    BYTES, INTENSITY, PRODUCTS, Point, REACHED, ROOF, Roofline, SHARE, roofline,
};
use crate::wide_table::wide_table;

/// The limits where they were measured, and the button that measures them.
pub(super) fn limits(t: Language, machine: &Machine, work: &WorkDone) -> AnyView {
    let line = line(t, machine, work);
    let refused = use_context::<MeasureRefused>();
    let refused = refused.map(|MeasureRefused(complaint)| {
        let reason = complaint.reason.sentence(t);
        view! { <p class="outcome failed" role="alert">{reason}</p> }
    });
    view! {
        <h2 id="roofline">{t.roofline()}</h2>
        {refused}
        {drawn(t, machine, work, "")}
        {line.as_ref().map(|line| counted(t, line))}
        {when(t, machine)}
        <form method="post" action=MEASURE>
            <button type="submit">{t.measure_limits()}</button>
        </form>
    }
    .into_any()
}

/// The limits where they were measured, on another page: their numbers lead to what this one says of a model, by its name in
/// requests, or of the first.
pub(in crate::pages) fn elsewhere(
    t: Language,
    machine: &Machine,
    work: &WorkDone,
    model: &str,
) -> Option<AnyView> {
    let at = match model {
        "" => ABOUT.to_owned(),
        model => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            format!("{ABOUT}?{}", query.append_pair("model", model).finish())
        }
    };
    let drawn = drawn(t, machine, work, &at)?;
    let limits = view! {
        <h2 id="roofline">{t.roofline()}</h2>
        {drawn}
        {when(t, machine)}
    };
    Some(limits.into_any())
}

/// What the machine can do at best, and where answers stand below that; its numbers are explained at an address.
fn drawn(t: Language, machine: &Machine, work: &WorkDone, at: &str) -> Option<AnyView> {
    let read = machine.read?;
    Some(match line(t, machine, work) {
        Some(line) => roofline(t, &line, at),
        None => memory(t, read, &points(t, work)),
    })
}

fn line(t: Language, machine: &Machine, work: &WorkDone) -> Option<Roofline> {
    let (read, multiplies) = machine.read.zip(machine.multiplies)?;
    Some(Roofline {
        read,
        multiplies,
        points: points(t, work),
    })
}

/// When that was measured.
fn when(t: Language, machine: &Machine) -> Option<AnyView> {
    let (at, took) = machine.measured.zip(machine.took)?;
    let when = t.limits_of(date(t, at), duration(t, took.as_secs_f64()));
    Some(view! { <p class="note">{when}</p> }.into_any())
}

/// Where it is not measured how fast the kernel multiplies: what memory gives, and how much of that each kind of work reads.
fn memory(t: Language, read: f64, points: &[Point]) -> AnyView {
    let reads = points.iter().map(|Point { name, done }| {
        let reached = done.bytes_per_token() * done.tokens_per_second;
        let share = format!("{:.0} %", reached / read * 100.0);
        view! { <li>{t.reads_of_memory(*name, rate_of_bytes(t, reached), share)}</li> }
    });
    view! {
        <p class="note">{t.memory_alone(rate_of_bytes(t, read))}</p>
        {(!points.is_empty()).then(|| view! { <ul>{reads.collect_view()}</ul> })}
    }
    .into_any()
}

/// Where decode and prefill of this model stand.
fn points(t: Language, work: &WorkDone) -> Vec<Point> {
    let all = [(t.decode_alone(), work.decode), (t.prefill(), work.prefill)];
    let there = all
        .into_iter()
        .filter_map(|(name, done)| Some((name, done?)));
    let points = there.map(|(name, done)| Point { name, done });
    points.collect()
}

/// Each number of the chart: how it is computed, with what was measured put in.
fn counted(t: Language, line: &Roofline) -> AnyView {
    let rows: [(&'static str, &'static str, &'static str, Worked); 6] = [
        (BYTES, t.bytes_per_token(), t.rule_bytes(), read),
        (
            PRODUCTS,
            t.products_per_token(),
            t.rule_products(),
            multiplied,
        ),
        (
            INTENSITY,
            t.products_per_byte(),
            t.rule_intensity(),
            intensity,
        ),
        (REACHED, t.reached(), t.rule_reached(), reached),
        (ROOF, t.the_roof(), t.rule_roof(), roof),
        (SHARE, t.of_the_roof(), t.rule_roof_share(), share),
    ];
    if line.points.is_empty() {
        let rules = rows.map(|(key, of, rule, _)| {
            view! {
                <tr id=key>
                    <th scope="row">{of}</th>
                    <td>{rule}</td>
                </tr>
            }
        });
        return view! {
            <p class="note">{t.no_answer_alone()}</p>
            <table class="facts-table"><tbody>{rules.into_iter().collect_view()}</tbody></table>
        }
        .into_any();
    }
    let answers = line.points.iter().map(|point| {
        let answers = grouped(point.done.answers);
        t.work_of(
            point.name,
            answers,
            tokens_per_second(t, point.done.tokens_per_second),
        )
    });
    let answers = answers.collect::<Vec<_>>().join(" ");
    let worked = |work: Worked| {
        line.points.iter().map(move |point| {
            view! { <td>{work(t, line, &point.done)}</td> }
        })
    };
    let rows = rows.into_iter().map(|(key, of, rule, work)| {
        view! {
            <tr id=key>
                <th scope="row">{of}</th>
                <td>{rule}</td>
                {worked(work).collect_view()}
            </tr>
        }
    });
    let label = t.formulas_of_roofline();
    let table = match line.points[..] {
        [one] => wide_table(label, [t.figure(), t.formula(), one.name], rows),
        [one, other, ..] => {
            wide_table(label, [t.figure(), t.formula(), one.name, other.name], rows)
        }
        [] => ().into_any(),
    };
    view! { <p class="note">{answers}</p> {table} }.into_any()
}

/// A number put in for some work.
type Worked = fn(Language, &Roofline, &Done) -> String;

fn read(_: Language, _: &Roofline, done: &Done) -> String {
    let [weights, kv] = [done.weight_bytes, done.kv_bytes].map(bytes);
    let tokens = count(done.tokens);
    format!(
        "({weights} + {kv}) / {tokens} = {}",
        bytes(whole(done.bytes_per_token()))
    )
}

fn multiplied(_: Language, _: &Roofline, done: &Done) -> String {
    let [all, tokens] = [done.multiplies, done.tokens].map(count);
    format!(
        "{all} / {tokens} = {}",
        count(whole(done.multiplies_per_token()))
    )
}

fn intensity(_: Language, _: &Roofline, done: &Done) -> String {
    let multiplies = count(whole(done.multiplies_per_token()));
    let read = bytes(whole(done.bytes_per_token()));
    format!("{multiplies} / {read} = {:.1}", done.intensity())
}

fn reached(t: Language, _: &Roofline, done: &Done) -> String {
    let multiplies = count(whole(done.multiplies_per_token()));
    let speed = tokens_per_second(t, done.tokens_per_second);
    format!(
        "{multiplies} × {speed} = {}",
        rate_of_products(t, done.rate())
    )
}

fn roof(t: Language, line: &Roofline, done: &Done) -> String {
    let by_memory = format!("{} × {:.1}", rate_of_bytes(t, line.read), done.intensity());
    let by_products = rate_of_products(t, line.multiplies);
    format!(
        "min({by_memory}, {by_products}) = {}",
        rate_of_products(t, line.roof(done.intensity()))
    )
}

fn share(t: Language, line: &Roofline, done: &Done) -> String {
    let [reached, roof] =
        [done.rate(), line.roof(done.intensity())].map(|rate| rate_of_products(t, rate));
    format!("{reached} / {roof} = {:.0} %", line.share(done) * 100.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_number_of_the_roofline_has_a_formula_that_comes_to_it() {
        // Ten steps of 90 MB of weights and 10 MB of keys and values, 100 tokens a second.
        let done = Done {
            answers: 2,
            tokens: 10,
            weight_bytes: 900_000_000,
            kv_bytes: 100_000_000,
            multiplies: 1_300_000_000,
            tokens_per_second: 100.0,
        };
        let machine = Machine {
            read: Some(20e9),
            multiplies: Some(500e9),
            ..Machine::default()
        };
        let work = WorkDone {
            decode: Some(done),
            prefill: None,
        };
        let html = Owner::new().with(|| limits(Language::English, &machine, &work).to_html());
        for told in [
            "(900 MB + 100 MB) / 10 = 100 MB",
            "1.30 B / 10 = 130 M",
            "130 M / 100 MB = 1.3",
            "130 M × 100 tokens/s = 13.0 B products/s",
            "min(20.0 GB/s × 1.3, 500 B products/s) = 26.0 B products/s",
            "13.0 B products/s / 26.0 B products/s = 50 %",
        ] {
            assert!(html.contains(told), "no {told} in {html}");
        }
        for key in [BYTES, PRODUCTS, INTENSITY, REACHED, ROOF, SHARE] {
            assert_eq!(html.matches(&format!("id=\"{key}\"")).count(), 1, "{key}");
            assert!(html.contains(&format!("href=\"#{key}\"")), "{key}");
        }
        let nothing = Owner::new()
            .with(|| limits(Language::English, &machine, &WorkDone::default()).to_html());
        assert!(
            !nothing.contains("NaN") && !nothing.contains("<circle"),
            "{nothing}"
        );
        let unmultiplied = Machine {
            multiplies: None,
            ..machine.clone()
        };
        let memory =
            Owner::new().with(|| limits(Language::English, &unmultiplied, &work).to_html());
        for told in [
            "20.0 GB/s",
            "<li>Decode reads 10.0 GB/s: 50 % of that.</li>",
        ] {
            assert!(memory.contains(told), "no {told} in {memory}");
        }
        // The roof leads to its rule also where nothing stands below it.
        assert!(nothing.contains("href=\"#roof\""), "{nothing}");
        assert!(nothing.contains("<tr id=\"roof\">"), "{nothing}");
    }

    #[test]
    fn on_another_page_the_numbers_lead_to_their_formulas() {
        let html = |machine: &Machine, model: &str| {
            let owner = Owner::new();
            let work = WorkDone::default();
            owner.with(|| {
                let limits = elsewhere(Language::English, machine, &work, model);
                limits.map(|limits| limits.to_html())
            })
        };
        let machine = Machine {
            read: Some(20e9),
            multiplies: Some(500e9),
            measured: Some(1_770_000_000_000),
            took: Some(Duration::from_millis(620)),
            ..Machine::default()
        };
        let first = html(&machine, "").unwrap();
        assert!(first.contains("href=\"/about#roof\""), "{first}");
        assert!(!first.contains("href=\"#"), "{first}");
        assert_eq!(first.matches(" id=\"").count(), 1, "{first}");
        assert!(first.contains(" in 620 ms, when no answers"), "{first}");
        let other = html(&machine, "a b").unwrap();
        assert!(other.contains("href=\"/about?model=a+b#roof\""), "{other}");
        assert_eq!(html(&Machine::default(), ""), None);
    }
}
