//! What the speed of the fastest lane would cost elsewhere, with prices that the reader may change.

use leptos::prelude::*;

use crate::compare::{Basis, Elsewhere, lane_name};
use crate::domain::{Comparison, Measurement};
use crate::figures::{times, tokens_per_second, usd};
use crate::language::Language;
use crate::paths::COMPARE;
use crate::price::{AS_OF, KNOWN};
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
    let here = places.first().map(|place| place.usd_per_million);
    let rows = places.into_iter().map(|place| {
        let beside = here
            .filter(|here| *here > 0.0 && place.basis != Basis::Measured)
            .map(|here| times(place.usd_per_million / here));
        view! {
            <tr>
                <th scope="row">{name(t, place.basis)}</th>
                <td>{place.usd_per_hour.map(usd)}</td>
                <td>{usd(place.usd_per_million)}</td>
                <td>{beside}</td>
                <td>{basis(t, place.basis)}</td>
            </tr>
        }
    });
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
                t.usd_per_million(),
                t.beside_here(),
                t.how_known(),
            ],
            rows,
        )}
        <p class="note">{t.prices_as_of(AS_OF)}</p>
        {prices(t, comparison, typed)}
    }
    .into_any()
}

fn name(t: Language, basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => t.here(),
        Basis::Priced(machine) => machine,
        Basis::Powered => t.machine_of_your_own(),
        Basis::Entered => t.an_api(),
    }
}

fn basis(t: Language, basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => t.basis_measured(),
        Basis::Priced(_) => t.basis_priced(),
        Basis::Powered => t.basis_powered(),
        Basis::Entered => t.basis_entered(),
    }
}

fn prices(t: Language, comparison: &Comparison, typed: Elsewhere) -> AnyView {
    let page = format!("{COMPARE}/{}", comparison.id);
    let is_changed = typed.is_changed();
    let hours = KNOWN.iter().zip(typed.hours);
    let hours =
        hours.map(|((machine, _), value)| field(machine, t.usd_per_hour_of(machine), value));
    let others = [
        ("watts", t.watts().to_owned(), typed.watts),
        ("tariff", t.tariff().to_owned(), typed.tariff),
        ("api", t.api_price().to_owned(), typed.api),
    ];
    let others = others.map(|(name, label, value)| field(name, label, value));
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

fn field(name: &'static str, label: String, value: String) -> AnyView {
    view! {
        <label>
            {label}
            <input type="number" name=name value=value min="0" step="any"/>
        </label>
    }
    .into_any()
}
