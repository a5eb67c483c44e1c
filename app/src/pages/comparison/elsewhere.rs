//! What the speed of the fastest lane would cost elsewhere, with prices that the reader may change.

use std::ops::RangeInclusive;

use leptos::prelude::*;

use crate::compare::{
    API, API_FIELD, Basis, Elsewhere, Place, TARIFF, TARIFF_FIELD, WATTS, WATTS_FIELD, lane_name,
};
use crate::complaint::{Complaint, ComplaintKind};
use crate::domain::{Comparison, Measurement};
use crate::figures::{times, tokens_per_second, usd};
use crate::language::Language;
use crate::paths::COMPARE;
use crate::price::{AS_OF, KNOWN};
use crate::settings::USD_PER_HOUR;
use crate::wide_table::wide_table;

pub(super) fn elsewhere(
    t: Language,
    comparison: &Comparison,
    lane: &Measurement,
    asked: &str,
) -> AnyView {
    let Some(speed) = lane.decode() else {
        return ().into_any();
    };
    let typed = Elsewhere::of(asked);
    let places = typed.places(comparison.plan.usd_per_hour, speed);
    let here = places.first().and_then(|place| place.usd_per_million);
    let rows = places.iter().map(|place| row(t, place, here));
    let name = lane_name(t, &comparison.plan, &lane.lane);
    let why = t.elsewhere_why(name, tokens_per_second(t, speed));
    view! {
        <h2 id="elsewhere">{t.elsewhere()}</h2>
        <p class="note">{why}</p>
        {wide_table(
            t.elsewhere(),
            [
                t.where_it_runs(),
                t.usd_per_hour(),
                t.decoding_alone(),
                t.beside_here(),
                t.how_known(),
            ],
            rows,
        )}
        {as_of(t, &places)}
        {prices(t, comparison, typed, &places)}
    }
    .into_any()
}

fn row(t: Language, place: &Place, here: Option<f64>) -> AnyView {
    let million = place.usd_per_million;
    let beside = here
        .filter(|here| *here > 0.0 && place.basis != Basis::Measured)
        .zip(million)
        .map(|(here, million)| times(million / here));
    let basis = match place.refused[..] {
        [] => basis(t, place.basis),
        _ => t.basis_refused(),
    };
    view! {
        <tr>
            <th scope="row">{name(t, place.basis)}</th>
            <td>{place.usd_per_hour.map(usd)}</td>
            <td>{million.map(usd)}</td>
            <td>{beside}</td>
            <td>{basis}</td>
        </tr>
    }
    .into_any()
}

/// Which prices are those of the table, and of when.
fn as_of(t: Language, places: &[Place]) -> Option<AnyView> {
    let count = |is: fn(Basis) -> bool| places.iter().filter(|place| is(place.basis)).count();
    let words = match (
        count(|basis| matches!(basis, Basis::Listed(_))),
        count(|basis| matches!(basis, Basis::Typed(_))),
    ) {
        (0, _) => return None,
        (_, 0) => t.prices_as_of(AS_OF),
        _ => t.other_prices_as_of(AS_OF),
    };
    Some(view! { <p class="note">{words}</p> }.into_any())
}

fn name(t: Language, basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => t.here(),
        Basis::Listed(machine) | Basis::Typed(machine) => machine,
        Basis::Powered => t.machine_of_your_own(),
        Basis::Entered => t.an_api(),
    }
}

fn basis(t: Language, basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => t.basis_measured(),
        Basis::Listed(_) => t.basis_listed(),
        Basis::Typed(_) => t.basis_typed(),
        Basis::Powered => t.basis_powered(),
        Basis::Entered => t.basis_entered(),
    }
}

fn prices(t: Language, comparison: &Comparison, typed: Elsewhere, places: &[Place]) -> AnyView {
    let page = format!("{COMPARE}/{}", comparison.id);
    let is_changed = typed.is_changed();
    let refused: Vec<_> = places.iter().flat_map(|place| &place.refused).collect();
    let field = |name, label, value, most: &RangeInclusive<f64>| {
        field(t, (name, label), value, most, &refused)
    };
    let hours = KNOWN.iter().zip(typed.hours);
    let hours = hours.map(|((machine, _), value)| {
        field(machine, t.usd_per_hour_of(machine), value, &USD_PER_HOUR)
    });
    let others = [
        (WATTS_FIELD, t.watts(), typed.watts, WATTS),
        (TARIFF_FIELD, t.tariff(), typed.tariff, TARIFF),
        (API_FIELD, t.api_price(), typed.api, API),
    ];
    let others =
        others.map(|(name, label, value, range)| field(name, label.to_owned(), value, &range));
    let back = is_changed.then(|| {
        let address = format!("{page}#elsewhere");
        view! { <a class="button" href=address>{t.prices_of_table()}</a> }
    });
    view! {
        <details class="prices" open=is_changed>
            <summary>{t.change_prices()}</summary>
            <form method="get" action=format!("{page}#elsewhere") class="filter">
                {hours.collect_view()}
                {others.collect_view()}
                <button type="submit">{t.compute_costs()}</button>
                {back}
            </form>
        </details>
    }
    .into_any()
}

/// A field as it was typed, and what is wrong with it.
fn field(
    t: Language,
    (name, label): (&'static str, String),
    value: String,
    range: &RangeInclusive<f64>,
    refused: &[&Complaint],
) -> AnyView {
    let wrong = refused
        .iter()
        .find(|refused| refused.kind == ComplaintKind::Field(name));
    let wrong = wrong.map(|refused| refused.reason.sentence(t));
    let described = format!("wrong-{name}");
    view! {
        <div>
            <label>
                {label}
                <input
                    type="number"
                    name=name
                    value=value
                    min=range.start().to_string()
                    max=range.end().to_string()
                    step="any"
                    aria-invalid=wrong.as_ref().map(|_| "true")
                    aria-describedby=described.clone()
                />
            </label>
            <p class="wrong" id=described>{wrong}</p>
        </div>
    }
    .into_any()
}
