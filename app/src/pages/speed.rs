//! `/speed`: what this reader's answers took and cost, over time, over the length of their context, and by what made them.

use std::collections::BTreeSet;

use jiff::civil::Date;
use leptos::prelude::*;

use super::about::limits_elsewhere;
use crate::actions::set_status;
use crate::chart::{Chart, Kind, Series, figure};
use crate::chat::{Loaded, SpeedOf};
use crate::complaint::Complaint;
use crate::day::zone;
use crate::domain::{Filter, MEASURED, Measured};
use crate::figures::{duration, grouped as digits, tokens_per_second, usd};
use crate::language::Language;
use crate::paths::{ROOFLINE, SPEED, SPEED_FILE};
use crate::shell::Aside;
use crate::speed::{
    Costs, DAYS, Figures, Gathered, Spread, Summary, by_context, by_time, costs, estimates,
    estimates_in_all, grouped,
};
use crate::visitor::language;
use crate::wide_table::wide_table;

/// Edges between which first tokens are counted, in seconds.
const FIRST_EDGES: [f64; 11] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 300.0];

/// Edges between which speeds are counted, in tokens a second.
const SPEED_EDGES: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 300.0, 500.0, 1000.0,
];

/// How many of a hundred estimates are to be near: four of five.
const AIM: f64 = 80.0;

#[component]
pub(crate) fn Speed() -> impl IntoView {
    let Loaded {
        speeds,
        machine,
        work,
        trouble,
        ..
    } = use_context::<Loaded>().unwrap_or_default();
    let t = language();
    if let Some(trouble) = trouble {
        return unread(t, t.speed(), &trouble);
    }
    let SpeedOf {
        answers,
        filter,
        model,
        ..
    } = speeds.unwrap_or_default();
    let model = model.unwrap_or_default();
    let roofline = machine.and_then(|machine| limits_elsewhere(t, &machine, &work, &model));
    let wanted = filter.wanted(&answers);
    let (choice, report) = (choice(t, &answers, &filter), report(t, &wanted));
    let download = !wanted.is_empty();
    let file = format!("{SPEED_FILE}?{}", filter.query());
    let limit = (answers.len() >= MEASURED).then(|| t.newest_answers(digits(MEASURED)));
    view! {
        <Aside title=t.speed() wide=true>
            <h1>{t.speed()}</h1>
            <p class="note">{t.speed_why()} " " {t.times_of_zone(zone())}</p>
            {limit.map(|limit| view! { <p class="note">{limit}</p> })}
            {choice}
            {report}
            {roofline}
            <p class="ways">
                {download.then(|| view! { <a class="button" href=file>{t.download_csv()}</a> })}
                <a class="button" href=ROOFLINE>{t.best_of_machine()}</a>
            </p>
        </Aside>
    }
    .into_any()
}

/// The form of the filter.
fn choice<'a>(t: Language, answers: &'a [Measured], filter: &'a Filter) -> AnyView {
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    let together: BTreeSet<_> = answers.iter().map(Measured::together).collect();
    let models: BTreeSet<_> = answers.iter().map(|answer| &*answer.model).collect();
    let kernels: BTreeSet<_> = answers.iter().map(|answer| &*answer.kernel).collect();
    let named = |name: &'a str| Some(name).filter(|name| !name.is_empty());
    view! {
        <form method="get" action=SPEED class="filter">
            <label>{t.from_day()} <input type="date" name="from" value=day(filter.from)/></label>
            <label>{t.to_day()} <input type="date" name="to" value=day(filter.to)/></label>
            <label>{t.model()} {select(t, "model", models, named(&filter.model))}</label>
            <label>{t.kernel()} {select(t, "kernel", kernels, named(&filter.kernel))}</label>
            <label>
                {t.chats_at_once()} {select(t, "together", together, filter.together)}
            </label>
            <button type="submit">{t.show()}</button>
        </form>
    }
    .into_any()
}

/// A choice of one or all; one that no answer has stays to be seen.
fn select<T: Ord + ToString>(
    t: Language,
    name: &'static str,
    mut values: BTreeSet<T>,
    chosen: Option<T>,
) -> AnyView {
    let said = chosen.as_ref().map(T::to_string);
    values.extend(chosen);
    let options = values.into_iter().map(|value| {
        let name = value.to_string();
        let selected = said.as_ref() == Some(&name);
        view! { <option value=name.clone() selected=selected>{name.clone()}</option> }
    });
    view! {
        <select name=name>
            <option value="">{t.all()}</option>
            {options.collect_view()}
        </select>
    }
    .into_any()
}

fn report(t: Language, answers: &[&Measured]) -> AnyView {
    if answers.is_empty() {
        return view! { <p>{t.no_answers_yet()}</p> }.into_any();
    }
    let mut gathered = Gathered::of(answers);
    let all = gathered.figures();
    let models = grouped(answers, &all, |answer| &*answer.model);
    let kernels = grouped(answers, &all, |answer| (&*answer.kernel, answer.threads));
    let kernels = kernels.into_iter().map(|((kernel, threads), figures)| {
        (format!("{kernel} · {}", t.threads(threads)), figures)
    });
    let together = grouped(answers, &all, Measured::together);
    let costs = costs(answers);
    let charts = charts(t, answers, &gathered, &all, &costs);
    let cut = costs.are_cut.then(|| t.cost_of_days(DAYS));
    let late = answers.iter().filter(|answer| answer.is_late()).count();
    let late = (late > 0).then(|| t.estimates_late(late));
    view! {
        {summary(t, &all)}
        <div class="charts">{charts.iter().map(|chart| figure(t, chart)).collect_view()}</div>
        {cut.map(|cut| view! { <p class="note">{cut}</p> })}
        {reached(t, answers)}
        <p class="note">{t.estimates_why()}</p>
        {late.map(|late| view! { <p class="note">{late}</p> })}
        {groups(t, t.by_model(), t.model(), models.into_iter().map(|(name, figures)| (name.to_owned(), figures)))}
        {groups(t, t.by_kernel(), t.kernel(), kernels)}
        {groups(
            t,
            t.by_chats_at_once(),
            t.chats_at_once(),
            together.into_iter().map(|(chats, figures)| (digits(chats), figures)),
        )}
    }
    .into_any()
}

fn summary(t: Language, all: &Figures) -> AnyView {
    let first = |value: Option<f64>| value.map(|value| duration(t, value));
    let decode = |value: Option<f64>| value.map(|value| tokens_per_second(t, value));
    let entries = [
        (t.answers(), Some(digits(all.answers))),
        (t.ttft_median(), first(all.first.median)),
        (t.ttft_p95(), first(all.first.slow)),
        (t.decode_median(), decode(all.decode.median)),
        (t.decode_p95(), decode(all.decode.slow)),
        (t.cost_share(), Some(usd(all.usd))),
    ];
    let entries = entries.into_iter().filter_map(|(term, figure)| {
        let figure = figure?;
        Some(view! { <div><dt>{term}</dt><dd>{figure}</dd></div> })
    });
    view! { <dl class="summary">{entries.collect::<Vec<_>>()}</dl> }.into_any()
}

/// A page whose figures could not be read.
pub(super) fn unread(t: Language, heading: &'static str, trouble: &Complaint) -> AnyView {
    set_status(503);
    let reason = trouble.reason.sentence(t);
    view! {
        <Aside title=t.speed() wide=true>
            <h1>{heading}</h1>
            <p class="outcome failed" role="alert">{reason}</p>
        </Aside>
    }
    .into_any()
}

fn charts(
    t: Language,
    answers: &[&Measured],
    gathered: &Gathered,
    all: &Figures,
    costs: &Costs,
) -> Vec<Chart> {
    let time = by_time(answers, all);
    let (length, figures): (Vec<_>, Vec<_>) = by_context(answers, all).into_iter().unzip();
    let length = length
        .into_iter()
        .map(|length| format!("≤{}", digits(length)));
    let context: Vec<_> = length.zip(figures).collect();
    let Gathered {
        firsts, decodes, ..
    } = gathered;
    let first = Lines {
        of: |figures| figures.first,
        slow: t.p95(),
        written: duration,
    };
    let decode = Lines {
        of: |figures| figures.decode,
        slow: t.p95_at_least(),
        written: tokens_per_second,
    };
    vec![
        lines(t, t.ttft_over_time(), t.begins(), &time, &first),
        lines(t, t.decode_over_time(), t.begins(), &time, &decode),
        lines(
            t,
            t.ttft_over_context(),
            t.context_tokens(),
            &context,
            &first,
        ),
        lines(
            t,
            t.decode_over_context(),
            t.context_tokens(),
            &context,
            &decode,
        ),
        spread(
            t,
            t.ttft_spread(),
            t.ttft(),
            &Spread::of(firsts, &FIRST_EDGES),
            duration,
        ),
        spread(
            t,
            t.decode_spread(),
            t.decode_speed(),
            &Spread::of(decodes, &SPEED_EDGES),
            tokens_per_second,
        ),
        by_day(t, &costs.days),
        foreseen(t, answers),
    ]
}

/// Medians and the slow end of one figure.
struct Lines {
    of: fn(&Figures) -> Summary,
    slow: &'static str,
    written: fn(Language, f64) -> String,
}

fn lines(
    t: Language,
    title: &str,
    over: &'static str,
    parts: &[(String, Figures)],
    Lines { of, slow, written }: &Lines,
) -> Chart {
    let summaries = || parts.iter().map(|(_, part)| of(part));
    Chart {
        kind: Kind::Lines,
        title: title.to_owned(),
        over,
        labels: parts.iter().map(|(label, _)| label.clone()).collect(),
        series: vec![
            Series {
                name: t.median(),
                values: summaries().map(|summary| summary.median).collect(),
            },
            Series {
                name: slow,
                values: summaries().map(|summary| summary.slow).collect(),
            },
        ],
        written: *written,
        aim: None,
    }
}

fn spread(
    t: Language,
    title: &str,
    over: &'static str,
    parts: &[Spread],
    written: fn(Language, f64) -> String,
) -> Chart {
    let label = |part: &Spread| match (part.from, part.to) {
        (_, Some(to)) => format!("<{}", written(t, to)),
        (Some(from), None) => format!("≥{}", written(t, from)),
        (None, None) => String::new(),
    };
    Chart {
        kind: Kind::Bars,
        title: title.to_owned(),
        over,
        labels: parts.iter().map(label).collect(),
        series: vec![Series {
            name: t.answers(),
            values: parts.iter().map(|part| Some(part.count as f64)).collect(),
        }],
        // Half of an odd number of answers is none.
        written: |_, count| match count.fract() == 0.0 {
            true => format!("{count}"),
            false => String::new(),
        },
        aim: None,
    }
}

fn by_day(t: Language, days: &[(Date, f64)]) -> Chart {
    Chart {
        kind: Kind::Bars,
        title: t.cost_by_day().to_owned(),
        over: t.day(),
        labels: days
            .iter()
            .map(|(day, _)| day.strftime("%m-%d").to_string())
            .collect(),
        series: vec![Series {
            name: t.cost_share(),
            values: days.iter().map(|(_, usd)| Some(*usd)).collect(),
        }],
        written: |_, dollars| usd(dollars),
        aim: None,
    }
}

/// How many of a hundred estimates were near, over time.
fn foreseen(t: Language, answers: &[&Measured]) -> Chart {
    let parts = estimates(answers);
    let names = [t.first_foreseen(), t.by_length_foreseen(), t.all_foreseen()];
    let series = names.into_iter().enumerate().map(|(of, name)| Series {
        name,
        values: parts.iter().map(|(_, shares)| shares[of]).collect(),
    });
    Chart {
        kind: Kind::Lines,
        title: t.estimates_near().to_owned(),
        over: t.begins(),
        labels: parts.iter().map(|(label, _)| label.clone()).collect(),
        series: series.collect(),
        written: |t, share| t.of_a_hundred(format!("{share:.0}")),
        aim: Some(AIM),
    }
}

/// How many of all estimates were near, beside how many are to be.
fn reached(t: Language, answers: &[&Measured]) -> Option<AnyView> {
    let names = [t.first_foreseen(), t.by_length_foreseen(), t.all_foreseen()];
    let counts = estimates_in_all(answers);
    let counts = names.into_iter().zip(counts);
    let reached = counts.filter(|(_, [all, _])| *all > 0);
    let reached = reached.map(|(name, [all, near])| {
        let share = 100.0 * near as f64 / all as f64;
        t.estimates_reached(name, digits(near), digits(all), format!("{share:.0}"))
    });
    let reached: Vec<_> = reached.collect();
    if reached.is_empty() {
        return None;
    }
    let aim = t.estimates_aim(format!("{AIM:.0}"));
    Some(view! { <p class="note">{reached.join(" · ")} " " {aim}</p> }.into_any())
}

/// A table of those that have something in common, which may be wider than its page.
fn groups(
    t: Language,
    title: &'static str,
    by: &'static str,
    groups: impl Iterator<Item = (String, Figures)>,
) -> AnyView {
    let first = |value: Option<f64>| value.map(|value| duration(t, value));
    let decode = |value: Option<f64>| value.map(|value| tokens_per_second(t, value));
    let rows = groups.map(|(name, figures)| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td>{digits(figures.answers)}</td>
                <td>{first(figures.first.median)}</td>
                <td>{first(figures.first.slow)}</td>
                <td>{decode(figures.decode.median)}</td>
                <td>{decode(figures.decode.slow)}</td>
                <td>{usd(figures.usd)}</td>
            </tr>
        }
    });
    view! {
        <h2>{title}</h2>
        {wide_table(title, [by, t.answers(), t.ttft_median(), t.ttft_p95(), t.decode_median(), t.decode_p95(), t.cost_share()], rows)}
    }
    .into_any()
}
